import type { CallHandshake, ConnectAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { SocketState } from "../core/socket-state.ts";
import { readTraceContext, type TraceContext } from "../core/trace.ts";
import { createState, type OwnState, type StateNeeds, type StateSocket } from "./state.ts";

/** The members of a Socket.IO socket that forwarding uses. */
export interface ForwardSocket extends StateSocket {
  readonly recovered: boolean;
  readonly handshake: Omit<CallHandshake, "recovered">;
  readonly conn: {
    readonly readyState: string;
    once(event: "close", listener: (reason: string) => void): unknown;
    off(event: "close", listener: (reason: string) => void): unknown;
    setMaxListeners(count: number): unknown;
  };
  emit(event: string, ...args: unknown[]): unknown;
  use(middleware: (packet: unknown[], next: () => void) => void): unknown;
  on(event: "disconnect" | "disconnecting", listener: (reason: string) => void): unknown;
  listenerCount(event: string): number;
}

/** The members of a Socket.IO namespace that forwarding uses. */
export interface ForwardNamespace {
  readonly name: string;
  use(middleware: (socket: ForwardSocket, next: (error?: Error) => void) => void): unknown;
  prependListener(event: "connection", listener: (socket: ForwardSocket) => void): unknown;
}

/** The reply to an event that has an ack: the ack's arguments, or a failure. */
export type ForwardReply =
  | { readonly ack: readonly unknown[] }
  | { readonly code: FailureCode; readonly message?: string | undefined; readonly data?: unknown };

/** The answer to a connect call. */
interface LaneAnswer extends ConnectAnswer {
  /** Where the call is in the order of the socket. */
  readonly order: number;
  /** What its commands belong to in traces. */
  readonly trace?: TraceContext;
}

/** The calls of one socket, in order. */
export interface ForwardLane {
  connect(handshake: CallHandshake): Promise<LaneAnswer>;
  /** The socket is in, with a lost session resumed or not. */
  connected(recovered: boolean): void;
  event(
    name: string,
    args: readonly unknown[],
    reply?: (reply: ForwardReply) => void,
  ): FailureCode | undefined;
  /** Whether it can take no more events. */
  isFull(): boolean;
  /** Calls back once there is room again, unless it ends before. */
  whenRoom(call: () => void): void;
  end(reason?: string): void;
}

/** What forwarding needs from other folders. */
export interface ForwardNeeds {
  /** Whether a function answers the connects of a namespace. */
  asksConnect(namespace: string): boolean;
  open(
    socket: SocketState & {
      readonly id: string;
      readonly namespace: string;
      /** The trace context of its client. */
      readonly trace: TraceContext | undefined;
      /** Other nodes may have older calls of it. */
      readonly mayBeElsewhere?: boolean;
      /** Hears of an event without ack that is refused after it has been taken. */
      refused?(event: string, code: FailureCode): void;
    },
  ): ForwardLane;
  apply(commands: readonly Command[], trace?: TraceContext): unknown;
  /** Does what an answer says about a socket that is not here any more. */
  elsewhere: StateNeeds["elsewhere"];
  /** Returns the user named by a socket's token; undefined where no token is required. */
  tokenUserOf(socket: ForwardSocket): string | undefined;
  /** Holds commands for a socket until it is connected. */
  hold(namespace: string, id: string, recovered: boolean): { release(): void; drop(): void };
  /** Calls `removed` for each socket that leaves a namespace, connected or not. */
  watchRemoved(namespace: ForwardNamespace, removed: (socket: ForwardSocket) => void): void;
  /** Closes the connection of a socket whose events exceed a queue limit. */
  close(socket: ForwardSocket): void;
  /** Stops reading from the connection of a socket until the returned function is called. */
  pause(socket: ForwardSocket): () => void;
}

/** The event that tells a client that events it emitted without an ack were refused. */
export const EVENT_REFUSED = "event_refused";
/** Least time between two of these events to one socket, so that they do not flood it. */
const REFUSED_EVERY_MS = 1000;
/** The failures of a full queue: the client emits too fast. */
const OVERFLOW = new Set<FailureCode>(["UPSTREAM_QUEUE_FULL", "UPSTREAM_SATURATED"]);

/** The settings of forwarding. */
interface ForwardSettings {
  readonly full: "refuse" | "pause" | "close";
  /** Bytes that a socket's data may have after an answer has changed them. */
  readonly dataBytesMax: number;
}

/** Forwarding in one gateway. */
interface Forwarding extends ForwardSettings {
  readonly needs: ForwardNeeds;
  readonly entering: WeakMap<ForwardSocket, Entering>;
}

/** A socket that has entered the middleware and is not connected yet. */
interface Entering {
  readonly lane: ForwardLane;
  readonly state: OwnState;
  /** Set if a function answers the connect. */
  readonly held: ReturnType<ForwardNeeds["hold"]> | undefined;
  answer: LaneAnswer | undefined;
  /** Why it has left. */
  gone: string | undefined;
  /** Hears of an event without ack that is refused after it has been taken. */
  refused: (event: string, code: FailureCode) => void;
  /** Its listener for the end of the connection. */
  readonly closed: (reason: string) => void;
}

/**
 * Returns a function that forwards a namespace's connects, events and disconnects to functions.
 *
 * A refused socket gets a `connect_error` with the function's `message` and `data`, or, if the call
 * failed, with `data` of `{ code, retry }`. An event that fails calls its ack with `{ error: {
 * code, message, retry, data? } }`. A refused event without an ack makes the client get
 * `event_refused`, at most once a second, with how many there were. The answer to a connect call
 * sets the socket's data before later middlewares run, and its rooms before its `connection` event.
 * Each accepted connect call is followed by exactly one disconnect call, after the socket's events,
 * even if the client left before it was connected.
 */
export function createForward(
  settings: ForwardSettings,
  needs: ForwardNeeds,
): (namespace: ForwardNamespace) => void {
  const forwarding: Forwarding = { ...settings, needs, entering: new WeakMap() };
  return (namespace) => {
    namespace.use((socket, next) => enter(forwarding, socket, next));
    needs.watchRemoved(namespace, (socket) => removed(forwarding, socket));
    // First, so that every other listener sees the rooms and data.
    namespace.prependListener("connection", (socket) => connected(forwarding, socket));
  };
}

function enter(forwarding: Forwarding, socket: ForwardSocket, next: (error?: Error) => void): void {
  // The client left during its token check or an earlier middleware. "close" was emitted already,
  // so a connect call made now would never get its disconnect call.
  if (socket.conn.readyState === "closed") {
    next();
    return;
  }
  const entry = begin(forwarding, socket);
  if (!entry.held) {
    next();
    return;
  }
  entry.lane.connect(handshakeOf(socket)).then(
    (answer) => {
      entry.answer = answer;
      const code = accept(forwarding, socket, entry);
      if (entry.gone !== undefined) leave(entry, entry.gone);
      else if (code !== undefined) {
        socket.conn.off("close", entry.closed);
        leave(entry, "server namespace disconnect");
        next(connectErrorOf({ code }));
        return;
      }
      // Also if the client has left: Socket.IO checks that, and removes the socket itself.
      next();
    },
    (error: unknown) => {
      socket.conn.off("close", entry.closed);
      entry.held?.drop();
      entry.lane.end();
      next(connectErrorOf(error));
    },
  );
}

/** Sets what a connect call was answered; returns why the socket cannot be let in with it. */
function accept(
  { needs }: Forwarding,
  socket: ForwardSocket,
  { state, answer }: Entering,
): FailureCode | undefined {
  if (!answer) return undefined;
  const { userId, data, rooms, order } = answer;
  if (isOtherUser(socket, userId ?? needs.tokenUserOf(socket))) return "AUTH_WRONG_USER";
  // The user after the data, which may contain a userId that the client chose.
  const named = userId === undefined ? data : { ...data, userId };
  // Calls from before a client came back may still be answered. To a function that says the same
  // at each connect, these are not old.
  if (socket.recovered && !state.wouldChange({ data: named, rooms })) return undefined;
  // Its rooms count for the version; it joins them once it is in.
  const { outcome } = state.update({ data: named, ...(rooms && { rooms: [] }) }, order);
  return outcome === "too_large" ? "UPSTREAM_DATA_TOO_LARGE" : undefined;
}

function begin(forwarding: Forwarding, socket: ForwardSocket): Entering {
  const { needs, entering } = forwarding;
  const { id, conn, handshake, recovered } = socket;
  const namespace = socket.nsp.name;
  const state = createState(socket, { ...forwarding, elsewhere: needs.elsewhere });
  const trace = readTrace(handshake);
  const entry: Entering = {
    lane: needs.open({
      ...{ ...state, id, namespace, trace, mayBeElsewhere: recovered },
      refused: (event, code) => entry.refused(event, code),
    }),
    refused: () => {},
    state,
    held: needs.asksConnect(namespace) ? needs.hold(namespace, id, recovered) : undefined,
    answer: undefined,
    gone: undefined,
    closed: (reason) => leave(entry, reason),
  };
  entering.set(socket, entry);
  // Each namespace that the client is entering adds a listener. limits.namespacesMax bounds them.
  conn.setMaxListeners(0);
  conn.once("close", entry.closed);
  return entry;
}

/**
 * Returns the trace context of a handshake. Browsers cannot set headers on a WebSocket, so it may
 * also be in `auth`.
 */
function readTrace({ auth, headers }: ForwardSocket["handshake"]): TraceContext | undefined {
  const given = typeof auth === "object" && auth !== null ? readTraceContext(auth) : undefined;
  return given ?? readTraceContext(headers);
}

/** Ends the calls of a socket that is not connected, now or once its connect call is answered. */
function leave(entry: Entering, reason: string): void {
  const { lane, state, held, answer } = entry;
  entry.gone = reason;
  if (held && !answer) return;
  held?.drop();
  state.end();
  lane.end(held ? reason : undefined);
}

/** A later middleware refused the socket. Its connection may stay open and try again. */
function removed({ entering }: Forwarding, socket: ForwardSocket): void {
  const entry = entering.get(socket);
  // If the connection itself ends, its "close" event calls `entry.closed` with the reason.
  if (!entry || socket.conn.readyState !== "open") return;
  entering.delete(socket);
  socket.conn.off("close", entry.closed);
  leave(entry, "server namespace disconnect");
}

function connected(forwarding: Forwarding, socket: ForwardSocket): void {
  const entry = forwarding.entering.get(socket);
  if (!entry) return;
  forwarding.entering.delete(socket);
  socket.conn.off("close", entry.closed);
  const { lane, state, held, answer } = entry;
  state.enter(answer?.rooms);
  listen(forwarding, socket, entry);
  held?.release();
  if (answer?.commands?.length) forwarding.needs.apply(answer.commands, answer.trace);
  lane.connected(socket.recovered);
}

/** Forwards a connected socket's events and its disconnect. */
function listen({ full, needs }: Forwarding, socket: ForwardSocket, entry: Entering): void {
  const { lane, state } = entry;
  const refusals = createRefusals(socket);
  let goOn: (() => void) | undefined;
  entry.refused = (event, code) => refuse(event, code, undefined);

  // A middleware, not a listener: it gets every event of any name in order, also the last ones.
  socket.use((packet, next) => {
    const [name, ...args] = packet;
    const last = args[args.length - 1];
    const ack = typeof last === "function" ? last : undefined;
    if (ack) args.pop();
    const reply = ack && ((given: ForwardReply) => ack(...argsOf(given)));
    const code = lane.event(String(name), args, reply);
    if (code !== undefined) refuse(String(name), code, reply);
    else if (full === "pause" && !goOn && lane.isFull()) pause();
    next();
  });
  socket.on("disconnect", (reason) => {
    refusals.stop();
    state.end();
    lane.end(reason);
    goOn?.();
  });

  function pause(): void {
    goOn = needs.pause(socket);
    lane.whenRoom(() => {
      goOn?.();
      goOn = undefined;
    });
  }

  function refuse(
    event: string,
    code: FailureCode,
    reply: ((reply: ForwardReply) => void) | undefined,
  ): void {
    // The event is meant for a listener in this process.
    if (code === "UPSTREAM_NO_ROUTE" && socket.listenerCount(event) > 0) return;
    if (reply) reply({ code });
    else refusals.add(event, code);
    if (full !== "refuse" && OVERFLOW.has(code)) needs.close(socket);
  }
}

/** Tells a client of events that were refused: at once, then what a second brings together. */
function createRefusals(socket: ForwardSocket) {
  let refused = 0;
  let last: { readonly event: string; readonly code: FailureCode } | undefined;
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    timer = undefined;
    if (!last) return;
    const { event, code } = last;
    socket.emit(EVENT_REFUSED, { event, ...errorOf({ code }), refused });
    refused = 0;
    last = undefined;
    timer = setTimeout(tell, REFUSED_EVERY_MS).unref();
  }

  return {
    add(event: string, code: FailureCode): void {
      refused++;
      last = { event, code };
      if (!timer) tell();
    },
    stop: () => clearTimeout(timer),
  };
}

function argsOf(reply: ForwardReply): readonly unknown[] {
  return "ack" in reply ? reply.ack : [{ error: errorOf(reply) }];
}

function errorOf({ code, message, data }: Exclude<ForwardReply, { ack: unknown }>) {
  const { text, retry } = FAILURES[code];
  return { code, message: message ?? text, retry, ...(data !== undefined && { data }) };
}

function handshakeOf({ handshake, recovered }: ForwardSocket): CallHandshake {
  const { headers, query, auth, address, secure, issued } = handshake;
  return { headers, query, auth, address, secure, issued, recovered };
}

/** Whether a recovered session belongs to another user than `userId`. */
function isOtherUser({ recovered, data }: ForwardSocket, userId: string | undefined): boolean {
  return recovered && typeof data.userId === "string" && data.userId !== userId;
}

function connectErrorOf(error: unknown): Error {
  // `ForwardLane.connect` rejects with these members only.
  const { code, says, data } = error as {
    readonly code: FailureCode;
    readonly says?: string | undefined;
    readonly data?: unknown;
  };
  if (code === "UPSTREAM_REFUSED") {
    return Object.assign(new Error(says ?? FAILURES[code].text), { data });
  }
  const { text, retry } = FAILURES[code];
  return Object.assign(new Error(text), { data: { code, retry } });
}
