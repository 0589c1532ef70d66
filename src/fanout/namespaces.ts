import type { Namespace, Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { dynamicNamespaces, namespacesOf, patternsOf } from "../seam/socket-io.ts";
import type { AnySocket, Search } from "./search.ts";

/** A room and its number of sockets. */
export interface PresentRoom {
  readonly room: string;
  readonly sockets: number;
}

/**
 * Finds a namespace by name. `io.of(name)` would create it, and clients could then connect to any
 * name that was in a command.
 *
 * For a missing name that matches an `io.of(/pattern/)` it depends. In a cluster the namespace is
 * created, since sockets of other nodes may be in it; it is removed again like one that a client
 * named. On a single node nobody can be in it, so the answer is `"nobody"`: otherwise a backend
 * that emits to many names would fill the memory with empty namespaces, until clients could create
 * no more.
 */
export function findNamespace(server: Server, name: string): Namespace | "nobody" | undefined {
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
}

/** Whether a namespace has no other nodes. Cluster adapters override `serverSideEmit`. */
export function isAlone({ adapter }: Namespace): boolean {
  return adapter.serverSideEmit === Adapter.prototype.serverSideEmit;
}

/** Returns the operator of the sockets that a command addresses. */
export function choose(
  namespace: Namespace,
  rooms: readonly string[] | undefined,
  except: readonly string[] | undefined,
): ReturnType<Namespace["to"]> {
  const chosen = namespace.to(rooms === undefined ? [] : [...rooms]);
  return except === undefined || except.length === 0 ? chosen : chosen.except([...except]);
}

/** Returns the search for the sockets that a command addresses. */
export function search(
  namespace: Namespace,
  rooms: readonly string[] | undefined,
  except: readonly string[] | undefined,
): Search {
  const { adapter, sockets } = namespace;
  return {
    // The library declares a narrower type than what this resolves with.
    find: () => choose(namespace, rooms, except).fetchSockets() as Promise<AnySocket[]>,
    count() {
      let count = rooms === undefined ? sockets.size : 0;
      for (const room of [rooms ?? [], except ?? []].flat()) {
        count += adapter.rooms.get(room)?.size ?? 0;
      }
      return count;
    },
  };
}

/**
 * Lists the rooms of a namespace with their numbers of sockets.
 *
 * Rooms named by a socket's id are left out: every socket has one. A room that is a number is
 * listed as a string, because pages are sorted by string.
 */
export async function countRooms(namespace: Namespace): Promise<PresentRoom[]> {
  const counts = new Map<string, number>();
  const add = (room: unknown, sockets: number) =>
    void counts.set(String(room), (counts.get(String(room)) ?? 0) + sockets);
  if (isAlone(namespace)) {
    const { rooms, sids } = namespace.adapter;
    for (const [room, ids] of rooms) if (!sids.has(room)) add(room, ids.size);
  } else {
    const everyone: AnySocket[] = await namespace.fetchSockets();
    const ids = new Set(everyone.map((socket) => socket.id));
    for (const { rooms } of everyone) for (const room of rooms) if (!ids.has(room)) add(room, 1);
  }
  return [...counts].map(([room, sockets]) => ({ room, sockets }));
}
