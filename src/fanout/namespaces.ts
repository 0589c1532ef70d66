import type { Namespace, Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { dynamicNamespaces } from "../core/dynamic-namespaces.ts";
import { namespacesOf, patternsOf } from "../seam/socket-io.ts";

/**
 * Returns a function that finds a namespace by name. `io.of(name)` would create it, and clients
 * could then connect to any name that was in a command.
 *
 * For a missing name that matches an `io.of(/pattern/)` it depends. In a cluster the namespace is
 * created, since sockets of other nodes may be in it; it is removed again like one that a client
 * named. On a single node nobody can be in it, so the answer is `"nobody"`: otherwise a backend
 * that emits to many names would fill the memory with empty namespaces, until clients could create
 * no more.
 */
export function createNamespaceFinder(
  server: Server,
): (name: string) => Namespace | "nobody" | undefined {
  return (name) => {
    const found = namespacesOf(server).get(name);
    if (found) return found;
    for (const pattern of patternsOf(server)) {
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
