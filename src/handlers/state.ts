import type { StateAnswer } from "../core/call.ts";
import {
  changesData,
  keepVersion,
  patchData,
  readRoomChange,
  type SocketState,
  type Updated,
} from "../core/socket-state.ts";

/** The members of a Socket.IO socket in which its state is kept. */
export interface StateSocket {
  readonly id: string;
  readonly nsp: { readonly name: string };
  data: Record<string, unknown>;
  readonly connected: boolean;
  readonly rooms: ReadonlySet<unknown>;
  join(rooms: string[]): unknown;
  leave(room: string): unknown;
  on(event: "disconnecting", listener: () => void): unknown;
}

/** What the state of sockets needs. */
export interface StateNeeds {
  readonly dataBytesMax: number;
  /** Does what an answer says about a socket that is not here any more. */
  elsewhere(socket: StateSocket, answer: StateAnswer, order: number): void;
}

/** The rooms that a call shows: the number of rooms of a socket has no bound. */
const ROOMS_MAX = 1000;

/** The state of a socket of this node. */
export interface OwnState extends SocketState {
  /** Whether an answer would change the data or the rooms. */
  wouldChange(answer: StateAnswer): boolean;
  /** Joins and leaves what the answer to the connect call says, once the socket is in. */
  enter(rooms: StateAnswer["rooms"]): void;
  /** The socket has left. From now on it is not kept for its calls, but for its data. */
  end(): void;
}

/** Returns the state of a socket, which lives on in its `data` and rooms. */
export function createState(socket: StateSocket, needs: StateNeeds): OwnState {
  const { dataBytesMax: bytesMax, elsewhere } = needs;
  let own = socket;
  /** The rooms it was in when it left: at "disconnect" it has left them. */
  let last: readonly string[] | undefined;
  socket.on("disconnecting", () => {
    last = roomsOf(own);
  });

  function move(rooms: StateAnswer["rooms"]): Promise<unknown> | undefined {
    const { leave, join } = readRoomChange(rooms);
    // Without the room of its id nobody could reach it.
    for (const room of leave) if (room !== own.id) own.leave(room);
    return join.length === 0 ? undefined : Promise.resolve(own.join([...join]));
  }

  return {
    describe: () => ({
      userId: userOf(own),
      data: own.data,
      version: keepVersion(own) || undefined,
    }),
    rooms: () => last ?? roomsOf(own),
    update(answer, order): Updated {
      // Whatever a handler has put there, Socket.IO's own type of it aside.
      const outcome = patchData(own as { data: unknown }, answer, { order, bytesMax });
      if (outcome !== "done") return { outcome };
      if (own.connected) return { outcome, moved: move(answer.rooms) };
      // It is gone, but its session may be recovered.
      if (last) elsewhere(own, answer, order);
      return { outcome };
    },
    wouldChange({ data, rooms }) {
      const { leave, join } = readRoomChange(rooms);
      const isIn = (room: string) => own.rooms.has(room);
      if (leave.some(isIn) || !join.every(isIn)) return true;
      return data !== undefined && changesData(own.data, data);
    },
    enter: move,
    end() {
      own = standIn(own);
    },
  };
}

/** Returns what is left of a socket: thousands may wait for a function that is down. */
function standIn({ id, nsp, data }: StateSocket): StateSocket {
  const none = () => {};
  const nothing = { join: none, leave: none, on: none };
  return { id, nsp: { name: nsp.name }, data, connected: false, rooms: new Set(), ...nothing };
}

function roomsOf({ id, rooms }: StateSocket): string[] {
  const listed: string[] = [];
  for (const room of rooms) {
    if (listed.length === ROOMS_MAX) break;
    if (room !== id && (typeof room === "string" || typeof room === "number"))
      listed.push(String(room));
  }
  return listed;
}

/** Returns the user of a socket: whom a function has named, or the subject of its token. */
function userOf({ data }: Pick<StateSocket, "data">): string | undefined {
  if (typeof data?.userId === "string") return data.userId;
  const user: unknown = data?.user;
  if (typeof user !== "object" || user === null || !("sub" in user)) return undefined;
  return typeof user.sub === "string" ? user.sub : undefined;
}
