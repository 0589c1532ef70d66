import type { Namespace, Server } from "socket.io";

/** What Socket.IO keeps for itself and is read here, and nowhere else in `fanout/`. */
interface Inner {
  readonly _nsps?: ReadonlyMap<string, Namespace>;
  readonly parentNamespacesFromRegExp?: ReadonlyMap<RegExp, unknown>;
}

/**
 * Returns how to find a namespace without making it, which `io.of(name)` would do: clients could
 * then connect to whatever name a command happened to carry.
 *
 * A name that a `io.of(/pattern/)` of this server takes is found always: on another node of the
 * cluster somebody may already be in it. Throws when this version of Socket.IO keeps its
 * namespaces elsewhere.
 */
export function createNamespaceFinder(server: Server): (name: string) => Namespace | undefined {
  const inner = server as unknown as Inner; // checked below, field by field
  const { _nsps: open, parentNamespacesFromRegExp: patterns } = inner;
  if (!(open instanceof Map) || !(patterns instanceof Map)) {
    throw new Error("socket.io has moved _nsps or parentNamespacesFromRegExp; 4.8.4 is known");
  }
  return (name) => {
    const found: Namespace | undefined = open.get(name);
    if (found) return found;
    for (const pattern of patterns.keys()) if (pattern.test(name)) return server.of(name);
    return undefined;
  };
}
