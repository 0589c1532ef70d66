import type { Socket } from "socket.io";
import { describeFailure } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import { ackEvent, connectionOf } from "../seam/socket-io.ts";
import type { EventPacket } from "../seam/socket-io-inside.ts";
import { type Grant, isRefused, type Refused } from "./grants.ts";

/** The event by which a client sends a newer token. */
export const TOKEN_REFRESH = "token_refresh";
/** The event that tells a client to do so. */
export const TOKEN_EXPIRING = "token_expiring";

/** A socket and its token. */
interface Watch {
  readonly socket: Socket;
  grant: Grant;
  warned: boolean;
  refreshing: boolean;
}

/**
 * Warns sockets before their token expires, closes their connection afterwards, and accepts newer
 * tokens.
 *
 * There are no timers. `check` looks at the tokens of one connection, and `socket/` calls it for
 * every connection about once a second, however many there are. So a warning or a close is up to a
 * second late, and more only if the event loop is. A check costs about 0.2 µs.
 *
 * Every check compares with the wall clock, which `now` returns in milliseconds. So a clock that is
 * set, or a machine that slept, is noticed within a second too.
 */
export function createExpiry(
  settings: Pick<Settings["auth"], "expiryWarningMs" | "clockToleranceMs">,
  now: () => number,
  checkToken: (token: unknown) => Promise<Grant | Refused>,
) {
  const { expiryWarningMs, clockToleranceMs } = settings;
  /** By connection, because `check` is called for each: one has a socket in each namespace. */
  const watches = new Map<object, readonly Watch[]>();
  let size = 0;

  const listOf = (connection: object) => watches.get(connection) ?? [];

  function remove(socket: Socket): void {
    const list = listOf(socket.conn);
    const left = list.filter((watch) => watch.socket !== socket);
    size -= list.length - left.length;
    if (left.length > 0) watches.set(socket.conn, left);
    else watches.delete(socket.conn);
  }

  return {
    /** Joins a socket to the rooms that its token grants, and watches it until it disconnects. */
    add(socket: Socket, grant: Grant): void {
      // A recovered socket already has its rooms, without those that only its older token granted.
      applyRooms(socket, grant, new Set());
      const watch = { socket, grant, warned: false, refreshing: false };
      watches.set(socket.conn, [...listOf(socket.conn), watch]);
      size++;
      socket.once("disconnect", () => remove(socket));
    },
    /** Warns sockets of a connection whose tokens expire soon, or closes it if one has expired. */
    check(connection: object): void {
      for (const watch of listOf(connection)) {
        const { expiresAt } = watch.grant;
        if (expiresAt === undefined) continue;
        const left = expiresAt - now();
        if (left <= -clockToleranceMs) {
          connectionOf(watch.socket).closeAs("token_expired");
          return;
        }
        if (watch.warned || expiryWarningMs === 0 || left > expiryWarningMs) continue;
        watch.warned = true;
        watch.socket.emit(TOKEN_EXPIRING, { expiresAt });
      }
    },
    /** Handles an event if it is a refreshed token, and returns whether it was one. */
    takeRefresh(socket: Socket, packet: EventPacket): boolean {
      const [name, token] = Array.isArray(packet.data) ? packet.data : [];
      if (name !== TOKEN_REFRESH) return false;
      const watch = listOf(socket.conn).find((each) => each.socket === socket);
      if (!watch) return false;
      if (watch.refreshing) {
        ackEvent(socket, packet, { error: describeFailure("AUTH_UNAVAILABLE") });
        return true;
      }
      watch.refreshing = true;
      void checkToken(token).then((found) => {
        watch.refreshing = false;
        const reply = renew(watch, found);
        if (reply !== undefined) ackEvent(socket, packet, reply);
      });
      return true;
    },
    /** Number of sockets that are watched. */
    size: () => size,
    stop(): void {
      watches.clear();
      size = 0;
    },
  };
}

/** Takes a newer token's grant. Returns the ack's argument; nothing if the socket has gone. */
function renew(watch: Watch, found: Grant | Refused): object | undefined {
  const { socket } = watch;
  if (isRefused(found)) return { error: describeFailure(found.code) };
  if (found.owner !== watch.grant.owner) return { error: describeFailure("AUTH_WRONG_USER") };
  if (!socket.connected) return undefined;
  applyRooms(socket, found, watch.grant.rooms);
  watch.grant = found;
  watch.warned = false;
  socket.data.user = found.claims;
  return { expiresAt: found.expiresAt };
}

/** Joins the rooms that a grant gives, and leaves those that only the one before gave. */
function applyRooms(socket: Socket, grant: Grant, before: ReadonlySet<string>): void {
  for (const room of before) if (!grant.rooms.has(room)) void socket.leave(room);
  for (const room of grant.rooms) if (!before.has(room)) void socket.join(room);
}
