import type { Namespace, Server, Socket } from "socket.io";
import { describeFailure, FAILURES, type FailureCode } from "../core/failures.ts";
import type { ThrottledLog } from "../core/log.ts";
import {
  ackEvent,
  createEventGate,
  createMethods,
  eachNamespace,
  guardSessions,
  prependMiddleware,
  type SocketMethods,
} from "../seam/socket-io.ts";
import type { EventPacket, SocketInside } from "../seam/socket-io-inside.ts";
import type { Auth, NarrowRooms } from "./auth.ts";
import type { Bounds } from "./bounds.ts";
import type { Refused } from "./grants.ts";

/** Catches and reports what functions of the application throw. */
export interface Guards {
  /** The methods of guarded sockets. */
  readonly methods: SocketMethods & Pick<SocketInside, "onevent">;
  namespace(namespace: Namespace): void;
}

/**
 * Calls `ask`, which asks for a session before it returns. Of the rooms of that session only those
 * that `narrow` returns are restored.
 */
export type Recovering = <T>(narrow: NarrowRooms, ask: () => T) => T;

/** The event that tells a client that an event it emitted without an ack was refused. */
export const RATE_LIMITED = "rate_limited";
/** Least time between two such events to one socket. */
const TELL_MS = 1000;

/**
 * Applies bounds and authentication in every namespace of `io`, existing or future, before the
 * application's middlewares. Dynamic namespaces and recovered sessions are included. Returns a
 * function that ends it.
 *
 * A refused socket gets a `connect_error` whose `data` is `{ code, retry }`. An event over its rate
 * limit reaches no listener. If the client asked for an acknowledgement, it gets
 * `{ error: { code, message, retry } }`; otherwise it gets `rate_limited`, at most once a second.
 *
 * `needs.now` is a monotonic clock in milliseconds.
 */
export function guardNamespaces(
  io: Server,
  needs: {
    readonly bounds: Bounds;
    readonly auth: Auth | undefined;
    readonly guards: Guards;
    readonly log: ThrottledLog;
    recovering: Recovering;
    now(): number;
  },
): () => void {
  const { bounds, auth, guards } = needs;
  const tell = createTeller(needs.now);
  let open = true;

  const gateEvents = createEventGate((socket, packet) => {
    if (packet.refused === undefined) return auth?.takeRefresh(socket, packet) ?? false;
    tell(socket, packet, packet.refused);
    return true;
  }, guards.methods.onevent);
  const guard = createMethods({ ...guards.methods, ...gateEvents, ...bounds.methods });

  function refuse(socket: Socket, { code, detail }: Refused, next: (error: Error) => void): void {
    const { address } = socket.handshake;
    const fields = { component: "door", code, namespace: socket.nsp.name, address, detail };
    needs.log("warn", code, fields, `entry refused: ${FAILURES[code].text}`);
    const data = { code, retry: FAILURES[code].retry };
    next(Object.assign(new Error(FAILURES[code].text), { data }));
  }

  function enter(socket: Socket, next: (error?: Error) => void): void {
    const full = open ? bounds.enter(socket) : undefined;
    if (full) {
      refuse(socket, { code: full, detail: undefined }, next);
      return;
    }
    if (open) guard(socket);
    if (!open || !auth) {
      next();
      return;
    }
    void auth.enter(socket).then((refused) => {
      if (refused) refuse(socket, refused, next);
      else next();
    });
  }

  const unwatch = eachNamespace(io, (namespace) => {
    guards.namespace(namespace);
    prependMiddleware(namespace, enter);
    guardSessions(namespace, async (conn, connectAuth, create) => {
      // Without `pid` it becomes a new session, which `enter` counts.
      if (open && !bounds.beginRecovery(conn)) return create({ ...connectAuth, pid: undefined });
      try {
        if (!auth) return await create(connectAuth);
        const { auth: allowed, narrow } = await auth.decide(conn, connectAuth);
        return await needs.recovering(narrow, () => create(allowed));
      } finally {
        bounds.endRecovery(conn);
      }
    });
    if (auth) namespace.prependListener("connection", (socket) => auth.connected(socket));
  });
  return () => {
    open = false;
    unwatch();
  };
}

/** Returns the function that tells a client that one of its events was refused. */
function createTeller(now: () => number) {
  const toldAt = new WeakMap<Socket, number>();
  return (socket: Socket, packet: EventPacket, code: FailureCode): void => {
    if (packet.id !== undefined) {
      ackEvent(socket, packet, { error: describeFailure(code) });
      return;
    }
    const at = now();
    if (at - (toldAt.get(socket) ?? Number.NEGATIVE_INFINITY) < TELL_MS) return;
    toldAt.set(socket, at);
    socket.emit(RATE_LIMITED, describeFailure(code));
  };
}
