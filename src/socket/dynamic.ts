/**
 * Namespaces that clients' names create, in socket.io 4.8.4: checkSocketIo() has found the private
 * members that are opened here.
 */
import type { Namespace, Server } from "socket.io";
import { dynamicNamespaces } from "../core/dynamic-namespaces.ts";
import type { HandlerFailed } from "../core/handler.ts";
import { callSafely } from "./dispatch.ts";
import { eachNamespace } from "./socket-io.ts";

type AskedForNamespace = (
  name: string,
  auth: unknown,
  answer: (error: unknown, allowed: unknown) => void,
) => unknown;

interface ParentInside {
  readonly children: Set<Namespace>;
  createChild(name: string): Namespace;
}

interface NamespacesInside {
  readonly _nsps: Map<string, Namespace>;
  readonly parentNsps: ReadonlyMap<AskedForNamespace, ParentInside>;
  _checkNamespace(name: string, auth: unknown, done: (found: Namespace | false) => void): void;
}

interface ChildInside {
  readonly _preConnectSockets: ReadonlyMap<string, unknown>;
  _add(...given: unknown[]): Promise<unknown>;
}

/** Least time between two looks for empty ones: a look costs as much as there are. */
const LOOK_MS = 1000;

/** What bounds the namespaces of clients, and who is told. */
export interface DynamicNeeds {
  readonly max: number;
  now(): number;
  refused(): void;
  handlerFailed: HandlerFailed;
}

/**
 * Asks the functions given to `io.of()` one after the other, as Socket.IO does. What one says first
 * counts; one that fails says no.
 */
function askParents(
  { _nsps, parentNsps }: NamespacesInside,
  asked: { readonly name: string; readonly auth: unknown; handlerFailed: HandlerFailed },
  done: (found: Namespace | false) => void,
): void {
  const { name, auth, handlerFailed } = asked;
  const parents = [...parentNsps];
  const askNext = (): void => {
    const [fn, parent] = parents.shift() ?? [];
    if (!fn || !parent) {
      done(false);
      return;
    }
    let said = false;
    const answer = (error: unknown, allowed: unknown): void => {
      if (said) return;
      said = true;
      if (error || !allowed) askNext();
      else done(_nsps.get(name) ?? parent.createChild(name)); // it may have come meanwhile
    };
    callSafely(
      () => fn(name, auth, answer),
      (error) => {
        handlerFailed(error, { kind: "namespace", event: "connect", namespace: name });
        answer(undefined, false);
      },
    );
  };
  askNext();
}

/**
 * Lets clients' names create at most `max` namespaces, those that the application named included;
 * the others do not exist for them. At the bound the empty ones that clients or commands named make
 * room, once a second at most: not before, since whoever comes back finds what the application
 * keeps in one. What a command names is made over the bound, too: others may be in it on other
 * nodes. Namespaces that hold lost sessions in this process' memory stay for as long as those can
 * be resumed.
 */
export function boundNamespaces(
  io: Server,
  { max, now, refused, handlerFailed }: DynamicNeeds,
): () => void {
  const inside = io as unknown as NamespacesInside; // see above
  const check = inside._checkNamespace;
  /** How many clients are on their way into each, before Socket.IO itself knows of them. */
  const coming = new WeakMap<Namespace, number>();
  let lookedAt = Number.NEGATIVE_INFINITY;

  function watch(namespace: Namespace): void {
    if (inside._nsps.size > max) makeRoom();
    if (![...inside.parentNsps.values()].some(({ children }) => children.has(namespace))) return;
    const child = namespace as unknown as ChildInside; // see above
    const add = child._add;
    child._add = async (...given) => {
      coming.set(namespace, (coming.get(namespace) ?? 0) + 1);
      try {
        return await add.apply(child, given);
      } finally {
        coming.set(namespace, (coming.get(namespace) ?? 1) - 1);
      }
    };
  }

  function isEmpty(namespace: Namespace): boolean {
    const { _preConnectSockets: entering } = namespace as unknown as ChildInside; // see above
    // Of recovery in memory: lost ones alone, without those that have expired.
    const { sessions } = namespace.adapter as { readonly sessions?: ReadonlyMap<string, unknown> };
    return namespace.sockets.size === 0 && entering.size === 0 && !sessions?.size;
  }

  function makeRoom(): boolean {
    if (now() - lookedAt < LOOK_MS) return false;
    lookedAt = now();
    for (const namespace of inside._nsps.values()) {
      if (!dynamicNamespaces.has(namespace) || coming.get(namespace) || !isEmpty(namespace))
        continue;
      inside._nsps.delete(namespace.name);
      for (const { children } of inside.parentNsps.values()) children.delete(namespace);
      namespace.adapter.close();
    }
    return inside._nsps.size < max;
  }

  inside._checkNamespace = (name, auth, done) => {
    if (inside._nsps.size < max || inside._nsps.has(name) || makeRoom()) {
      askParents(inside, { name, auth, handlerFailed }, (found) => {
        if (found) dynamicNamespaces.add(found);
        done(found);
      });
      return;
    }
    refused();
    done(false);
  };
  const unwatch = eachNamespace(io, watch);
  return () => {
    unwatch();
    inside._checkNamespace = check;
  };
}
