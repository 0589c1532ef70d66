/**
 * Namespaces that clients' names create, in socket.io 4.8.4: checkSocketIo() has found the private
 * members that are opened here.
 */
import type { Namespace, Server } from "socket.io";

interface NamespacesInside {
  readonly _nsps: Map<string, Namespace>;
  readonly parentNsps: ReadonlyMap<unknown, { readonly children: Set<Namespace> }>;
  _checkNamespace(name: string, auth: unknown, done: (found: Namespace | false) => void): void;
}

interface ChildInside {
  readonly _preConnectSockets: ReadonlyMap<string, unknown>;
  _add(...given: unknown[]): Promise<unknown>;
}

/** Least time between two looks for empty ones: a look costs as much as there are. */
const LOOK_MS = 1000;

/**
 * Lets clients' names create at most `max` namespaces, those that the application named included;
 * the others do not exist for them. At the bound those of clients that are empty make room, once a
 * second at most: not before, since whoever comes back finds what the application keeps in one.
 * Namespaces that hold lost sessions in this process' memory stay for as long as those can be resumed.
 */
export function boundNamespaces(
  io: Server,
  { max, now, refused }: { readonly max: number; now(): number; refused(): void },
): () => void {
  const inside = io as unknown as NamespacesInside; // see above
  const check = inside._checkNamespace;
  /** How many clients are on their way into each, before Socket.IO itself knows of them. */
  const coming = new Map<Namespace, number>();
  let lookedAt = Number.NEGATIVE_INFINITY;

  function watch(namespace: Namespace): void {
    const child = namespace as unknown as ChildInside; // see above
    const add = child._add;
    coming.set(namespace, 0);
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
    for (const [namespace, clients] of coming) {
      if (clients > 0 || !isEmpty(namespace)) continue;
      coming.delete(namespace);
      inside._nsps.delete(namespace.name);
      for (const { children } of inside.parentNsps.values()) children.delete(namespace);
      namespace.adapter.close();
    }
    return inside._nsps.size < max;
  }

  inside._checkNamespace = (name, auth, done) => {
    if (inside._nsps.size < max || inside._nsps.has(name) || makeRoom()) {
      check.call(inside, name, auth, (found) => {
        if (found && !coming.has(found)) watch(found);
        done(found);
      });
      return;
    }
    refused();
    done(false);
  };
  return () => {
    inside._checkNamespace = check;
  };
}
