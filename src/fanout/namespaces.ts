import type { Namespace, Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { dynamicNamespaces } from "../core/dynamic-namespaces.ts";

/** What Socket.IO keeps for itself and is read here, and nowhere else in `fanout/`. */
interface Inner {
  readonly _nsps?: ReadonlyMap<string, Namespace>;
  readonly parentNamespacesFromRegExp?: ReadonlyMap<RegExp, unknown>;
}

/**
 * Returns how to find a namespace without making it, which `io.of(name)` would do: clients could
 * then connect to whatever name a command happened to carry.
 *
 * A name that a `io.of(/pattern/)` of this server takes is made in a cluster, since on another node
 * somebody may already be in it; it goes again as those of clients do. On a node that is alone
 * nobody can be, and it is not made: a backend that emits to whoever may be there would fill the
 * memory with namespaces of nobody, up to where clients' names create no more. Throws when this
 * version of Socket.IO keeps its namespaces elsewhere.
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

/**
 * Whether a namespace has no other nodes: the adapters of a cluster have their own serverSideEmit.
 */
export function isAlone({ adapter }: Namespace): boolean {
  return adapter.serverSideEmit === Adapter.prototype.serverSideEmit;
}
