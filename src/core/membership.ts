/** A room that a socket has joined or left. Times are compared by whoever keeps them. */
export interface RoomChange<At = unknown> {
  readonly at: At;
  readonly room: unknown;
  readonly joined: boolean;
}

/** In which rooms a socket is, and was. */
export interface Membership<At = unknown> {
  /** Those of now. */
  readonly rooms: readonly unknown[];
  /** Its changes of rooms since then are known. */
  readonly since: At;
  /** Whether that is when it connected: nothing that was sent before is for it. */
  readonly whole: boolean;
  /** Oldest first. */
  readonly changes: readonly RoomChange<At>[];
}

/** Recipients: sockets in one of `rooms`, everyone if there is none, but for those in `except`. */
export interface Addressed {
  readonly rooms: ReadonlySet<unknown>;
  readonly except?: ReadonlySet<unknown>;
}

/** What was done to sockets wherever they are. */
export interface Move {
  readonly do: "join" | "leave" | "disconnect";
  readonly to: Addressed;
  /** The rooms that they join or leave. */
  readonly rooms: readonly unknown[];
}

/** Whether recipients include a socket that is in `inside`. */
export function isFor(inside: ReadonlySet<unknown>, { rooms, except }: Addressed): boolean {
  for (const room of except ?? []) if (inside.has(room)) return false;
  for (const room of rooms) if (inside.has(room)) return true;
  return rooms.size === 0;
}

/**
 * Does to a socket that is away what was done to others, and notes what that changed. Returns false
 * when it was disconnected.
 */
export function applyMove<At>(
  inside: Set<unknown>,
  { move, at }: { readonly move: Move; readonly at: At },
  changes: RoomChange<At>[],
): boolean {
  if (!isFor(inside, move.to)) return true;
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
 * Returns whether something was for a socket when it was sent, by the rooms that the socket was in
 * then; `isAfter` says which changes came before. Asked in order it costs a step a change.
 */
export function createWitness<At>({
  rooms,
  changes,
}: Rooms<At>): (to: Addressed, isAfter: (at: At) => boolean) => boolean {
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
    return isFor(inside, to);
  };
}

/** The part of a membership in which rooms are named. */
type Rooms<At> = Pick<Membership<At>, "rooms" | "changes">;

/**
 * Takes out of a membership, as if it had never been in them, the rooms that `narrow` leaves out.
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
