import type { Namespace, Server, Socket } from "socket.io";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { ThrottledLog } from "../core/throttle.ts";
import { type Auth, type Decision, inWords } from "./auth.ts";
import type { Bounds } from "./bounds.ts";
import type { Guards } from "./dispatch.ts";
import type { Refused } from "./grants.ts";
import {
  answerEvent,
  createEventGate,
  type EventPacket,
  eachNamespace,
  guardSessions,
  prependMiddleware,
} from "./socket-io.ts";

/** What stands at the entry of every namespace. */
export interface EntryNeeds {
  readonly bounds: Bounds;
  readonly auth: Auth | undefined;
  readonly guards: Guards;
  readonly log: ThrottledLog;
  /** Runs `ask`, which asks for a session, of whose rooms `narrow` keeps some. */
  recovering: Recovering;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/** Runs what asks for a session before it returns. */
export type Recovering = <T>(narrow: Decision["narrow"], ask: () => T) => T;

/** The event by which a client hears that what it emitted without an ack was refused. */
export const RATE_LIMITED = "rate_limited";
/** Least time between two of them to one socket: telling must not be a flood either. */
const TELL_MS = 1000;

/**
 * Puts bounds and authentication before every namespace there is and will be, dynamic ones and
 * recovered sessions included, and before every middleware of the application.
 *
 * Who is refused gets a `connect_error` whose `data` is `{ code, retry }`. An event over its rate
 * reaches no listener: its acknowledgement is answered with `{ error: { code, message, retry } }`,
 * or, if it asks for none, the socket is told by `rate_limited` at most once a second.
 */
export function guardNamespaces(io: Server, needs: EntryNeeds): () => void {
  const { bounds, auth, guards } = needs;
  const told = new WeakMap<Socket, number>();
  let open = true;

  function tell(socket: Socket, packet: EventPacket, code: FailureCode): void {
    if (packet.id !== undefined) {
      answerEvent(socket, packet, { error: inWords(code) });
      return;
    }
    const at = needs.now();
    if (at - (told.get(socket) ?? Number.NEGATIVE_INFINITY) < TELL_MS) return;
    told.set(socket, at);
    socket.emit(RATE_LIMITED, inWords(code));
  }

  const gateEvents = createEventGate((socket, packet) => {
    if (packet.refused === undefined) return auth?.takes(socket, packet) ?? false;
    tell(socket, packet, packet.refused);
    return true;
  }, guards.onevent);

  function refuse(socket: Socket, { code, detail }: Refused, next: (error: Error) => void): void {
    const { address } = socket.handshake;
    const fields = { room: "socket", code, namespace: socket.nsp.name, address, detail };
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
    if (open) {
      guards.socket(socket);
      gateEvents(socket);
    }
    if (!open || !auth) {
      next();
      return;
    }
    void auth.enter(socket).then((refused) => {
      if (refused) refuse(socket, refused, next);
      else next();
    });
  }

  const unwatch = eachNamespace(io, (namespace: Namespace) => {
    guards.namespace(namespace);
    prependMiddleware(namespace, enter);
    guardSessions(namespace, async (conn, words, create) => {
      // As a new session it is one of those that `enter` counts.
      if (open && !bounds.ask(conn)) return create({ ...words, pid: undefined });
      try {
        if (!auth) return await create(words);
        const { auth: own, narrow } = await auth.decide(conn, words);
        return await needs.recovering(narrow, () => create(own));
      } finally {
        bounds.asked(conn);
      }
    });
    if (!auth) return;
    namespace.prependListener("connection", (socket) => auth.connected(socket));
  });
  return () => {
    open = false;
    unwatch();
  };
}
