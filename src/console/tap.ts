import type { Namespace, Server, Socket } from "socket.io";
import { namespacesOf } from "../seam/socket-io.ts";

/** An event that a watched socket sent or is sent. */
export interface WatchedEvent {
  readonly direction: "in" | "out";
  readonly event: string;
  readonly args: readonly unknown[];
  /** The first socket that it is of, and of how many: a broadcast goes to many at once. */
  readonly id: string;
  sockets: number;
}

/** What is watched: one socket, or all of a room. */
export interface WatchTarget {
  readonly namespace: string;
  readonly id?: string | undefined;
  readonly room?: string | undefined;
}

/** How many sockets of a room are watched at once: each costs its broadcasts some work. */
export const WATCHED_MAX = 50;

/**
 * Tells of all events in and out of this node's sockets, until it is stopped; also of those that
 * join the room later, as long as fewer than {@link WATCHED_MAX} are watched. Returns `undefined`
 * if the socket or the namespace is not at this node.
 *
 * It listens as an application could, with `onAny` and `onAnyOutgoing`: nothing is slower for the
 * sockets that are not watched.
 */
export function watchSockets(
  io: Server,
  { namespace: name, id, room }: WatchTarget,
  heard: (event: WatchedEvent) => void,
): { count(): number; stop(): void } | undefined {
  const namespace = namespacesOf(io).get(name);
  if (!namespace || (id !== undefined && !namespace.sockets.has(id))) return undefined;
  const watched = new Map<string, () => void>();
  const tell = gather(heard);
  const watch = (member: string): void => {
    const socket = namespace.sockets.get(member);
    if (!socket || watched.has(member) || watched.size >= WATCHED_MAX) return;
    watched.set(member, listenTo(socket, tell));
  };
  const unwatch = (member: string): void => {
    watched.get(member)?.();
    watched.delete(member);
  };
  const members = id === undefined ? (namespace.adapter.rooms.get(room ?? "") ?? []) : [id];
  for (const member of members) watch(member);
  const forget = followRoom(namespace, id ?? room ?? "", { watch, unwatch });
  return {
    count: () => watched.size,
    stop() {
      forget();
      for (const member of [...watched.keys()]) unwatch(member);
    },
  };
}

function listenTo(socket: Socket, tell: (event: WatchedEvent) => void): () => void {
  const { id } = socket;
  const came = (event: string, ...args: unknown[]): void =>
    tell({ direction: "in", event, args, id, sockets: 1 });
  const went = (event: string, ...args: unknown[]): void =>
    tell({ direction: "out", event, args, id, sockets: 1 });
  socket.onAny(came);
  socket.onAnyOutgoing(went);
  return () => {
    socket.offAny(came);
    socket.offAnyOutgoing(went);
  };
}

/** A socket's own room is left when the socket goes, so that one is followed in the same way. */
function followRoom(
  { adapter }: Namespace,
  room: string,
  { watch, unwatch }: Record<"watch" | "unwatch", (member: string) => void>,
): () => void {
  const joined = (where: unknown, member: string): void => {
    if (where === room) watch(member);
  };
  const left = (where: unknown, member: string): void => {
    if (where === room) unwatch(member);
  };
  allowMore(adapter, 1);
  adapter.on("join-room", joined);
  adapter.on("leave-room", left);
  return () => {
    adapter.off("join-room", joined);
    adapter.off("leave-room", left);
    allowMore(adapter, -1);
  };
}

// Node.js warns of a leak from 11 listeners on, also if each is of somebody who watches. 0: never.
function allowMore(emitter: Namespace["adapter"], listeners: number): void {
  const max = emitter.getMaxListeners();
  if (max > 0) emitter.setMaxListeners(max + listeners);
}

// Makes one event of a broadcast to many: of those that are the same and come in one turn, each of
// a socket of its own. One that a socket is sent twice is two.
function gather(heard: (event: WatchedEvent) => void): (event: WatchedEvent) => void {
  let last: WatchedEvent | undefined;
  const ids = new Set<string>();
  const flush = (): void => {
    const event = last;
    last = undefined;
    if (event) heard(event);
  };
  return (event) => {
    if (last && event.direction === "out" && !ids.has(event.id) && isSame(last, event)) {
      ids.add(event.id);
      last.sockets++;
      return;
    }
    if (last) flush();
    else queueMicrotask(flush);
    last = event;
    ids.clear();
    ids.add(event.id);
  };
}

function isSame(one: WatchedEvent, other: WatchedEvent): boolean {
  return (
    one.direction === other.direction &&
    one.event === other.event &&
    one.args.length === other.args.length &&
    one.args.every((value, at) => value === other.args[at])
  );
}
