import type { Namespace, Server } from "socket.io";
import { callSafely, type HandlerFailed } from "../core/handler.ts";
import {
  dynamicNamespaces,
  eachNamespace,
  isBeingEntered,
  namespacesOf,
  parentsOf,
  removeNamespace,
  replaceNamespaceCheck,
  wrapEntry,
} from "../seam/socket-io.ts";
import { hasSessions } from "../seam/socket-io-adapter.ts";

/** Least time between two searches for empty namespaces: a search walks all of them. */
const SEARCH_MS = 1000;

/**
 * Asks the functions given to `io.of()` one after the other whether a namespace may be created, as
 * Socket.IO does. Only the first decision of each counts, and an error means no.
 */
function askParents(
  io: Server,
  asked: { readonly name: string; readonly auth: unknown; handlerFailed: HandlerFailed },
  done: (found: Namespace | false) => void,
): void {
  const { name, auth, handlerFailed } = asked;
  const parents = [...parentsOf(io)];
  const askNext = (): void => {
    const [fn, parent] = parents.shift() ?? [];
    if (!fn || !parent) {
      done(false);
      return;
    }
    let decided = false;
    const decide = (error: unknown, allowed: unknown): void => {
      if (decided) return;
      decided = true;
      if (error || !allowed) askNext();
      else done(namespacesOf(io).get(name) ?? parent.createChild(name)); // it may exist by now
    };
    callSafely(
      () => fn(name, auth, decide),
      (error) => {
        handlerFailed(error, { kind: "namespace", event: "connect", namespace: name });
        decide(undefined, false);
      },
    );
  };
  askNext();
}

/**
 * Bounds the namespaces that clients create. Returns a function that removes the bound.
 *
 * While there are `max` namespaces, those of the application included, a client cannot create
 * another one. `refused` is called, and the client is told that the namespace does not exist.
 *
 * At `max`, empty namespaces that clients or commands created are removed, once a second at most.
 * They are not removed earlier, because an application may keep data in them for clients that come
 * back. A namespace is not removed while sessions in this process's memory can be recovered in it.
 *
 * Commands create namespaces beyond `max`, because other nodes may have sockets in them.
 *
 * `now` is a monotonic clock in milliseconds.
 */
export function boundNamespaces(
  io: Server,
  needs: { readonly max: number; now(): number; refused(): void; handlerFailed: HandlerFailed },
): () => void {
  const { max, now, refused, handlerFailed } = needs;
  const namespaces = namespacesOf(io);
  /** Clients that are entering each namespace and that Socket.IO does not count yet. */
  const entering = new WeakMap<Namespace, number>();
  let searchedAt = Number.NEGATIVE_INFINITY;

  /** Counts the clients that are entering a dynamic namespace. */
  function watch(namespace: Namespace): void {
    if (namespaces.size > max) removeEmpty();
    if (![...parentsOf(io).values()].some(({ children }) => children.has(namespace))) return;
    wrapEntry(namespace, async (enter) => {
      entering.set(namespace, (entering.get(namespace) ?? 0) + 1);
      try {
        return await enter();
      } finally {
        entering.set(namespace, (entering.get(namespace) ?? 1) - 1);
      }
    });
  }

  function isEmpty(namespace: Namespace): boolean {
    if (entering.get(namespace) || isBeingEntered(namespace)) return false;
    return namespace.sockets.size === 0 && !hasSessions(namespace.adapter);
  }

  /** Removes empty namespaces. Returns whether there is room for another one now. */
  function removeEmpty(): boolean {
    if (now() - searchedAt < SEARCH_MS) return false;
    searchedAt = now();
    for (const namespace of namespaces.values()) {
      if (dynamicNamespaces.has(namespace) && isEmpty(namespace)) removeNamespace(io, namespace);
    }
    return namespaces.size < max;
  }

  const unbound = replaceNamespaceCheck(io, (name, auth, done) => {
    if (namespaces.size < max || namespaces.has(name) || removeEmpty()) {
      askParents(io, { name, auth, handlerFailed }, (found) => {
        if (found) dynamicNamespaces.add(found);
        done(found);
      });
      return;
    }
    refused();
    done(false);
  });
  const unwatch = eachNamespace(io, watch);
  return () => {
    unwatch();
    unbound();
  };
}
