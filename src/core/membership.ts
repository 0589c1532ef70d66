/** A socket joined or left a room. `At` is a time that only the owner of the log can compare. */
export interface RoomChange<At = unknown> {
  readonly at: At;
  readonly room: unknown;
  readonly joined: boolean;
}

/** The rooms a socket is in, and its recent joins and leaves. */
export interface Membership<At = unknown> {
  /** The rooms it is in now. */
  readonly rooms: readonly unknown[];
  /** `changes` is complete from this time on. */
  readonly since: At;
  /** Whether `since` is when it connected: nothing sent before that was for it. */
  readonly whole: boolean;
  /** Oldest first. */
  readonly changes: readonly RoomChange<At>[];
  /** When a change was taken back at once, which is not among `changes`: the last time. */
  readonly undoneAt?: At | undefined;
}

/** Sockets in any of `rooms`, or all sockets if `rooms` is empty, except those in `except`. */
export interface Recipients {
  readonly rooms: ReadonlySet<unknown>;
  readonly except?: ReadonlySet<unknown>;
}

/** A join, leave or disconnect that applies to all matching sockets, also to lost sessions. */
export interface Move {
  readonly do: "join" | "leave" | "disconnect";
  readonly to: Recipients;
  /** The rooms to join or leave. */
  readonly rooms: readonly unknown[];
}

/** Whether a socket that is in the rooms `inside` is one of the recipients. */
export function isRecipient(inside: ReadonlySet<unknown>, { rooms, except }: Recipients): boolean {
  for (const room of except ?? []) if (inside.has(room)) return false;
  for (const room of rooms) if (inside.has(room)) return true;
  return rooms.size === 0;
}

/**
 * Applies a move to the rooms of a lost session, and appends what it changed to `changes`. Returns
 * false if the move disconnects the socket.
 */
export function applyMove<At>(
  inside: Set<unknown>,
  { move, at }: { readonly move: Move; readonly at: At },
  changes: RoomChange<At>[],
): boolean {
  if (!isRecipient(inside, move.to)) return true;
  if (move.do === "disconnect") return false;
  const joined = move.do === "join";
  for (const room of move.rooms) {
    if (inside.has(room) === joined) continue;
    if (joined) inside.add(room);
    else inside.delete(room);
    changes.push({ at, room, joined });
  }
  return true;
}

/**
 * Returns a function that says whether a socket was a recipient of a packet when it was sent, by
 * the rooms the socket was in then. `isAfter(at)` says whether the packet was sent after a change.
 * If packets are asked for in order, each change is applied once.
 */
export function createRoomHistory<At>({
  rooms,
  changes,
}: Rooms<At>): (to: Recipients, isAfter: (at: At) => boolean) => boolean {
  const inside = new Set(rooms);
  let done = changes.length;

  function step({ room, joined }: RoomChange<At>, forward: boolean): void {
    if (joined === forward) inside.add(room);
    else inside.delete(room);
  }

  return (to, isAfter) => {
    for (let next = changes[done]; next && isAfter(next.at); next = changes[done]) {
      step(next, true);
      done++;
    }
    for (let last = changes[done - 1]; last && !isAfter(last.at); last = changes[done - 1]) {
      step(last, false);
      done--;
    }
    return isRecipient(inside, to);
  };
}

/** The fields of a membership that name rooms. */
type Rooms<At> = Pick<Membership<At>, "rooms" | "changes">;

/**
 * Returns a membership without the rooms that `narrow` omits, as if the socket had never been in
 * them. `narrow` is given all rooms of the membership, past ones included.
 */
export function narrowRooms<At, Member extends Rooms<At>>(
  member: Member,
  narrow: (member: Member) => readonly unknown[],
): Member {
  const rooms = new Set([...member.rooms, ...member.changes.map(({ room }) => room)]);
  const left = new Set(narrow({ ...member, rooms: [...rooms] }));
  return {
    ...member,
    rooms: member.rooms.filter((room) => left.has(room)),
    changes: member.changes.filter(({ room }) => left.has(room)),
  };
}

/** How many sockets of other nodes are in each of some rooms. */
export interface CountedOthers {
  readonly counts: readonly number[];
  /** Whether all nodes have answered. */
  readonly whole: boolean;
}

/** Returns how many sockets of an adapter are in a room. A room may be a number, too. */
export function sizeOfRoom(
  rooms: ReadonlyMap<unknown, ReadonlySet<unknown>>,
  room: string,
): number {
  const number = Number(room);
  const numbered = String(number) === room ? (rooms.get(number)?.size ?? 0) : 0;
  return (rooms.get(room)?.size ?? 0) + numbered;
}
