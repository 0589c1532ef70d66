import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { type EventLog, roomChannel } from "./log/event-log.ts";
import { isRoom } from "./messages.ts";

/** The rooms of one namespace that its node hears: those with members here, and those held. */
export interface Interest {
  /** Resolves when the node hears all rooms that its sockets have joined so far. */
  readonly heard: Promise<void>;
  /**
   * An entry that is being heard had sockets join rooms. These may have members already, who joined
   * later in the log than that.
   */
  joined(rooms: readonly unknown[]): void;
  /** Hears rooms, with or without members, until the returned function is called. */
  hold(rooms: readonly unknown[]): () => void;
}

/** Subscribes to a room's channel with its first member, and ends that with its last. */
export function followInterest(
  adapter: Adapter,
  log: Pick<EventLog<unknown>, "subscribe" | "unsubscribe">,
): Interest {
  const { rooms } = adapter;
  /** How many need a room that may have no members. */
  const held = new Map<unknown, number>();
  let heard = Promise.resolve();

  function begin(room: unknown): void {
    if (isRoom(room) && !held.has(room)) subscribe(room);
  }

  function subscribe(room: string | number): void {
    // Those before may stand later than this one, and were asked for by joins that are not over.
    heard = Promise.all([heard, log.subscribe([roomChannel(room)])]).then(() => {});
  }

  function end(room: unknown): void {
    if (isRoom(room) && !held.has(room)) log.unsubscribe([roomChannel(room)]);
  }

  // Rooms of any type are keys of this map, whatever the library declares.
  const hasMembers = (room: unknown) => rooms.has(room as string);

  function release(room: unknown): void {
    const left = (held.get(room) ?? 1) - 1;
    if (left > 0) {
      held.set(room, left);
      return;
    }
    held.delete(room);
    if (!hasMembers(room)) end(room);
  }

  adapter.on("create-room", begin);
  adapter.on("delete-room", end);
  return {
    get heard() {
      return heard;
    },
    joined(moved) {
      for (const room of moved) if (isRoom(room) && hasMembers(room)) subscribe(room);
    },
    hold(wanted) {
      for (const room of wanted) {
        if (!hasMembers(room)) begin(room);
        held.set(room, (held.get(room) ?? 0) + 1);
      }
      return () => wanted.forEach(release);
    },
  };
}

/** Has clients wait until the node hears the namespace, which one of them may have created. */
export function admitWhenHeard(namespace: Namespace, heard: Promise<void>): void {
  let isHeard = false;
  const opened = heard.then(() => {
    isHeard = true;
  });
  namespace.use((_socket, next) => {
    if (isHeard) next();
    else opened.then(() => next());
  });
}
