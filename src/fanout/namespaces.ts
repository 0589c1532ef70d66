import type { Namespace, Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { dynamicNamespaces } from "../core/dynamic-namespaces.ts";

/** Private members of Socket.IO's server. They are read only here in `fanout/`. */
interface Inner {
  readonly _nsps?: ReadonlyMap<string, Namespace>;
  readonly parentNamespacesFromRegExp?: ReadonlyMap<RegExp, unknown>;
}

/**
 * Returns a function that finds a namespace by name. `io.of(name)` would create it, and clients
 * could then connect to any name that was in a command.
 *
 * For a missing name that matches an `io.of(/pattern/)` it depends. In a cluster the namespace is
 * created, since sockets of other nodes may be in it; it is removed again like one that a client
 * named. On a single node nobody can be in it, so the answer is `"nobody"`: otherwise a backend
 * that emits to many names would fill the memory with empty namespaces, until clients could create
 * no more. Throws if this version of Socket.IO keeps its namespaces elsewhere.
 */
export function createNamespaceFinder(
  server: Server,
): (name: string) => Namespace | "nobody" | undefined {
  const inner = server as unknown as Inner; // checked below, field by field
  const { _nsps: open, parentNamespacesFromRegExp: patterns } = inner;
  if (!(open instanceof Map) || !(patterns instanceof Map)) {
    throw new Error("socket.io has moved _nsps or parentNamespacesFromRegExp; 4.8.4 is known");
  }
  return (name) => {
    const found: Namespace | undefined = open.get(name);
    if (found) return found;
    for (const pattern of patterns.keys()) {
      if (!pattern.test(name)) continue;
      if (isAlone(server.of("/"))) return "nobody";
      const made = server.of(name);
      dynamicNamespaces.add(made);
      return made;
    }
    return undefined;
  };
}

/** Whether a namespace has no other nodes. Cluster adapters override `serverSideEmit`. */
export function isAlone({ adapter }: Namespace): boolean {
  return adapter.serverSideEmit === Adapter.prototype.serverSideEmit;
}
