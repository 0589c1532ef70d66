import type { Server, Socket } from "socket.io";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import type { ThrottledLog } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import {
  connectionOf,
  createJoinGate,
  isPresent,
  type SocketMethods,
  setAcks,
  tellError,
} from "../seam/socket-io.ts";
import type { Call } from "../seam/socket-io-inside.ts";
import { boundNamespaces } from "./dynamic.ts";

type LimitsSettings = Settings["limits"];

/** Limits on sockets, as `sluice_limited_total{limit}` shows them. */
export const SOCKET_LIMITS = [
  "events",
  "bytes",
  "rooms",
  "room_name",
  "namespaces",
  "dynamic_namespaces",
  "acks",
] as const;
/** One of {@link SOCKET_LIMITS}. */
export type SocketLimit = (typeof SOCKET_LIMITS)[number];

interface BoundsNeeds {
  readonly log: ThrottledLog;
  handlerFailed: HandlerFailed;
  limited(limit: SocketLimit): void;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/** Bounds of what the sockets of a connection may hold. */
export type Bounds = ReturnType<typeof createBounds>;

/**
 * Bounds rooms, room names, namespaces and pending acknowledgements.
 *
 * A join over a limit does nothing, also if the application asked for it. Most applications join
 * rooms that clients name, and an error thrown there would end the process. Instead the socket
 * emits an `error` event with a {@link FailureError}, and the refusal is counted and logged. A list
 * of rooms is joined as a whole or not at all.
 *
 * Too many pending acknowledgements close the connection, because its client has stopped answering.
 */
export function createBounds(io: Server, settings: LimitsSettings, needs: BoundsNeeds) {
  const recovering = new WeakMap<object, number>();

  function overAcks(socket: Socket): void {
    needs.limited("acks");
    const conn = connectionOf(socket);
    // The application is inside a call of emit(), so close after it.
    setImmediate(() => conn.closeAs("acks_exceeded"));
  }

  function isFull(socket: Socket): boolean {
    const conn = connectionOf(socket);
    let sockets = conn.entered;
    if (sockets.length >= settings.namespacesMax) sockets = sockets.filter(isPresent);
    const full = sockets.length >= settings.namespacesMax;
    conn.entered = full ? sockets : [...sockets, socket];
    return full;
  }

  const stop = boundNamespaces(io, {
    max: settings.dynamicNamespacesMax,
    handlerFailed: needs.handlerFailed,
    now: needs.now,
    refused() {
      needs.limited("dynamic_namespaces");
      needs.log("warn", "dynamic", { component: "door" }, "limits.dynamicNamespacesMax is reached");
    },
  });

  return {
    /** Methods that bound the rooms of a socket. */
    methods: boundJoins(settings, needs),
    /** Returns why a socket may not enter its namespace, or else bounds its acks. */
    enter(socket: Socket): FailureCode | undefined {
      if (isFull(socket)) {
        needs.limited("namespaces");
        return "LIMIT_NAMESPACES";
      }
      setAcks(socket, new BoundedAcks(socket, settings.acksPendingMax, overAcks));
      return undefined;
    },
    /**
     * Counts a recovery that a connection asks for, until `endRecovery`. Returns false, and counts
     * nothing, if as many are running as it may enter namespaces: each takes memory, and may ask
     * Redis.
     */
    beginRecovery(conn: object): boolean {
      const count = recovering.get(conn) ?? 0;
      if (count >= settings.namespacesMax) {
        needs.limited("namespaces");
        return false;
      }
      recovering.set(conn, count + 1);
      return true;
    },
    endRecovery(conn: object): void {
      const left = (recovering.get(conn) ?? 1) - 1;
      if (left > 0) recovering.set(conn, left);
      else recovering.delete(conn);
    },
    stop,
  };
}

/** Returns the method that bounds a socket's rooms and their names. */
function boundJoins(settings: LimitsSettings, needs: BoundsNeeds): SocketMethods {
  function refuse(socket: Socket, limit: SocketLimit, code: FailureCode): void {
    needs.limited(limit);
    const { id } = socket;
    needs.log("warn", code, { component: "door", code, socket: id }, "a join was refused");
    tellError(socket, new FailureError(code));
  }

  return createJoinGate((socket, rooms) => {
    if (rooms === socket.id) return true; // every socket's own room
    const list: unknown[] = Array.isArray(rooms) ? rooms : [rooms];
    if (!list.every((room) => isRoomName(room, settings.roomBytesMax))) {
      refuse(socket, "room_name", "LIMIT_ROOM_NAME");
      return false;
    }
    const { rooms: held } = socket;
    const own = held.has(socket.id) ? 1 : 0;
    const more = new Set(list.filter((room) => !held.has(room as string) && room !== socket.id));
    if (held.size - own + more.size <= settings.roomsMax) return true;
    refuse(socket, "rooms", "LIMIT_ROOMS");
    return false;
  });
}

/**
 * Whether a room's name is a string of at most `bytesMax` bytes, or a number, as some applications
 * use. The server would keep a reference to any other object.
 */
function isRoomName(room: unknown, bytesMax: number): boolean {
  if (typeof room === "number") return true;
  if (typeof room !== "string" || room.length > bytesMax) return false;
  return room.length * 3 <= bytesMax || Buffer.byteLength(room) <= bytesMax;
}

/** The acks that a socket waits for: `max` at most. One more calls `over` and is dropped. */
class BoundedAcks extends Map<number, Call> {
  readonly #socket: Socket;
  readonly #max: number;
  readonly #over: (socket: Socket) => void;
  constructor(socket: Socket, max: number, over: (socket: Socket) => void) {
    super();
    this.#socket = socket;
    this.#max = max;
    this.#over = over;
  }
  override set(id: number, ack: Call): this {
    if (this.size < this.#max || this.has(id)) return super.set(id, ack);
    this.#over(this.#socket);
    return this;
  }
}
