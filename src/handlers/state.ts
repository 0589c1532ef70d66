import type { StateAnswer } from "../core/call.ts";
import {
  patchData,
  readRoomChange,
  type SocketState,
  type Updated,
  versionOf,
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
  elsewhere(socket: StateSocket, answer: StateAnswer, at: number): void;
}

/** The rooms that a call shows: the number of rooms of a socket has no bound. */
const ROOMS_MAX = 1000;

/** The state of a socket of this node. */
export interface OwnState extends SocketState {
  /** Joins and leaves what the answer to the connect call says, once the socket is in. */
  enter(rooms: StateAnswer["rooms"]): void;
}

/** Returns the state of a socket, which lives on in its `data` and rooms. */
export function createState(socket: StateSocket, needs: StateNeeds): OwnState {
  const { dataBytesMax: bytesMax, elsewhere } = needs;
  /** The rooms it was in at its end. */
  let last: readonly string[] | undefined;
  // At "disconnect" it has left them.
  socket.on("disconnecting", () => {
    last = roomsOf(socket);
  });

  function move(rooms: StateAnswer["rooms"]): Promise<unknown> | undefined {
    const { leave, join } = readRoomChange(rooms);
    // Without the room of its id nobody could reach it.
    for (const room of leave) if (room !== socket.id) socket.leave(room);
    return join.length === 0 ? undefined : Promise.resolve(socket.join([...join]));
  }

  return {
    describe: () => ({
      userId: userOf(socket),
      data: socket.data,
      version: versionOf(socket.data) || undefined,
    }),
    rooms: () => last ?? roomsOf(socket),
    update(answer, at): Updated {
      // Whatever a handler has put there, Socket.IO's own type of it aside.
      const outcome = patchData(socket as { data: unknown }, answer, { at, bytesMax });
      if (outcome !== "done") return { outcome };
      if (socket.connected) return { outcome, moved: move(answer.rooms) };
      // It is gone, but its session may be recovered.
      if (last) elsewhere(socket, answer, at);
      return { outcome };
    },
    enter: move,
  };
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
export function userOf({ data }: Pick<StateSocket, "data">): string | undefined {
  if (typeof data?.userId === "string") return data.userId;
  const user: unknown = data?.user;
  if (typeof user !== "object" || user === null || !("sub" in user)) return undefined;
  return typeof user.sub === "string" ? user.sub : undefined;
}
