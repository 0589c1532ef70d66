import type { Server, Socket } from "socket.io";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import type { Settings } from "../core/settings.ts";
import type { ThrottledLog } from "../core/throttle.ts";
import type { Connection } from "./connection.ts";
import { boundNamespaces } from "./dynamic.ts";
import { boundAcks, createJoinGate, isPresent, tellError } from "./socket-io.ts";

type LimitsSettings = Settings["limits"];

/** Limits that act on sockets, as `sluice_limited_total{limit}` shows them. */
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

/** Whom the bounds tell. */
export interface BoundsNeeds {
  readonly log: ThrottledLog;
  handlerFailed: HandlerFailed;
  limited(limit: SocketLimit): void;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/** The bounds of what one socket may hold. */
export interface Bounds {
  /** Returns why a socket may not enter its namespace, or bounds what it may hold there. */
  enter(socket: Socket): FailureCode | undefined;
  /**
   * Takes a place for a session that a connection asks for, until `asked`; false when it asks for
   * as many as it may be in namespaces. Each holds memory here, and may be a question to Redis.
   */
  ask(conn: object): boolean;
  asked(conn: object): void;
  /** Takes the bound on dynamic namespaces off again. */
  stop(): void;
}

/**
 * Bounds rooms, room names, namespaces and owed acknowledgements.
 *
 * A join over a bound does nothing, whoever asked for it: joining what a client names is the most
 * common handler there is, and a throw from it would end the process. The socket's `error` event
 * carries the {@link FailureError}, the refusal is counted and logged. A list of rooms is joined as
 * a whole or not at all. Too many owed acknowledgements close the connection: its client has
 * stopped answering.
 */
export function createBounds(io: Server, settings: LimitsSettings, needs: BoundsNeeds): Bounds {
  const entered = new WeakMap<object, Set<Socket>>();
  const asking = new WeakMap<object, number>();

  function refuse(socket: Socket, limit: SocketLimit, code: FailureCode): void {
    needs.limited(limit);
    const { id } = socket;
    needs.log("warn", code, { room: "socket", code, socket: id }, "a join was refused");
    tellError(socket, new FailureError(code));
  }

  const gateJoins = createJoinGate((socket, rooms) => {
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

  function overAcks(socket: Socket): void {
    needs.limited("acks");
    // The application is in the middle of an emit: the close comes after it.
    const conn = socket.conn as unknown as Connection; // the engine of these bounds makes no others
    setImmediate(() => conn.closeAs("acks_exceeded"));
  }

  function isFull(socket: Socket): boolean {
    const sockets = entered.get(socket.conn) ?? new Set();
    entered.set(socket.conn, sockets);
    if (sockets.size >= settings.namespacesMax) {
      for (const other of sockets) if (!isPresent(other)) sockets.delete(other);
    }
    if (sockets.size >= settings.namespacesMax) return true;
    sockets.add(socket);
    return false;
  }

  const unbound = boundNamespaces(io, {
    max: settings.dynamicNamespacesMax,
    handlerFailed: needs.handlerFailed,
    now: needs.now,
    refused() {
      needs.limited("dynamic_namespaces");
      needs.log("warn", "dynamic", { room: "socket" }, "limits.dynamicNamespacesMax is reached");
    },
  });

  return {
    enter(socket) {
      if (isFull(socket)) {
        needs.limited("namespaces");
        return "LIMIT_NAMESPACES";
      }
      gateJoins(socket);
      boundAcks(socket, settings.acksPendingMax, overAcks);
      return undefined;
    },
    ask(conn) {
      const count = asking.get(conn) ?? 0;
      if (count >= settings.namespacesMax) {
        needs.limited("namespaces");
        return false;
      }
      asking.set(conn, count + 1);
      return true;
    },
    asked(conn) {
      const left = (asking.get(conn) ?? 1) - 1;
      if (left > 0) asking.set(conn, left);
      else asking.delete(conn);
    },
    stop: unbound,
  };
}

/** Texts, and the numbers some applications use; anything else would be kept as an object. */
function isRoomName(room: unknown, bytesMax: number): boolean {
  if (typeof room === "number") return true;
  if (typeof room !== "string" || room.length > bytesMax) return false;
  return room.length * 3 <= bytesMax || Buffer.byteLength(room) <= bytesMax;
}
