import type { CallHandshake, ConnectAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";

/** The part of a Socket.IO socket that forwarding needs. */
export interface ForwardSocket {
  readonly id: string;
  readonly nsp: { readonly name: string };
  data: Record<string, unknown>;
  readonly recovered: boolean;
  readonly handshake: {
    readonly headers: CallHandshake["headers"];
    readonly query: Readonly<Record<string, unknown>>;
    readonly auth: unknown;
    readonly address: string;
    readonly secure: boolean;
    readonly issued: number;
  };
  readonly conn: {
    readonly readyState: string;
    once(event: "close", listener: (reason: string) => void): unknown;
    off(event: "close", listener: (reason: string) => void): unknown;
    setMaxListeners(count: number): unknown;
  };
  join(rooms: string[]): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  use(middleware: (packet: unknown[], next: () => void) => void): unknown;
  on(event: "disconnect", listener: (reason: string) => void): unknown;
  listenerCount(event: string): number;
}

/** The part of a namespace that forwarding needs. */
export interface ForwardNamespace {
  readonly name: string;
  use(middleware: (socket: ForwardSocket, next: (error?: Error) => void) => void): unknown;
  prependListener(event: "connection", listener: (socket: ForwardSocket) => void): unknown;
}

/** What becomes of an event whose client waits. */
export type ForwardReply =
  | { readonly ack: readonly unknown[] }
  | { readonly code: FailureCode; readonly message?: string | undefined; readonly data?: unknown };

/** The calls about one socket. */
export interface ForwardLane {
  connect(handshake: CallHandshake): Promise<ConnectAnswer>;
  event(
    name: string,
    args: readonly unknown[],
    answer?: (reply: ForwardReply) => void,
  ): FailureCode | undefined;
  end(reason?: string): void;
}

/** What forwarding needs of the other folders. */
export interface ForwardNeeds {
  /** Whether a function answers connects of a namespace. */
  asksConnect(namespace: string): boolean;
  open(socket: {
    readonly id: string;
    readonly namespace: string;
    readonly traceparent: unknown;
    describe(): { readonly userId?: string | undefined; readonly data: unknown };
  }): ForwardLane;
  apply(commands: readonly Command[]): void;
  /** Who a socket's token says it is; nobody where tokens are not asked for. */
  tokenUserOf(socket: ForwardSocket): string | undefined;
  /** Keeps commands for a socket until it is connected. */
  hold(namespace: string, id: string, recovered: boolean): { release(): void; drop(): void };
  /** Tells of every socket that a namespace lets go, and of those that it never let in. */
  watchRemoved(namespace: ForwardNamespace, removed: (socket: ForwardSocket) => void): void;
  /** Closes the connection of a socket whose events find no room. */
  close(socket: ForwardSocket): void;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/** What meets an event that no function can be told of. */
export interface ForwardSettings {
  readonly overflow: "refuse" | "close";
}

/** The event by which a client hears that what it emitted without an ack was refused. */
export const EVENT_REFUSED = "event_refused";
/** Least time between two of them to one socket: telling must not be a flood either. */
const TELL_MS = 1000;
/** Failures that more patience of the client would not have met. */
const FULL = new Set<FailureCode>(["UPSTREAM_QUEUE_FULL", "UPSTREAM_SATURATED"]);

// A socket between its connect call and its connection.
interface Entering {
  readonly lane: ForwardLane;
  readonly held: { release(): void; drop(): void } | undefined;
  answer: ConnectAnswer | undefined;
  readonly closed: (reason: string) => void;
}

/**
 * Returns what makes a namespace's events calls to functions: connects, events and disconnects.
 *
 * A refused socket gets a `connect_error` with the function's `message` and `data`, or, when the
 * call failed, with `data` of `{ code, retry }`. An acknowledgement that cannot be had is called
 * with `{ error: { code, message, retry, data? } }`; without one the client hears of it by
 * `event_refused`, at most once a second. For every connect call that was accepted there is one
 * disconnect call, after the socket's events, even when the client was gone before it was let in.
 */
export function createForward(
  settings: ForwardSettings,
  needs: ForwardNeeds,
): (namespace: ForwardNamespace) => void {
  const entering = new WeakMap<ForwardSocket, Entering>();

  function open(socket: ForwardSocket): ForwardLane {
    const { headers } = socket.handshake;
    return needs.open({
      id: socket.id,
      namespace: socket.nsp.name,
      traceparent: headers.traceparent,
      describe: () => ({ userId: userOf(socket), data: socket.data }),
    });
  }

  function enter(socket: ForwardSocket, next: (error?: Error) => void): void {
    // It left while its token or an earlier middleware was waited for: nothing would tell of its
    // end.
    if (socket.conn.readyState === "closed") {
      next();
      return;
    }
    const lane = open(socket);
    const asks = needs.asksConnect(socket.nsp.name);
    const held = asks ? needs.hold(socket.nsp.name, socket.id, socket.recovered) : undefined;
    let gone: string | undefined;
    const one: Entering = {
      lane,
      held,
      answer: undefined,
      closed(reason) {
        gone = reason;
        if (asks && !one.answer) return;
        held?.drop();
        lane.end(asks ? reason : undefined);
      },
    };
    entering.set(socket, one);
    // One for each namespace that is being entered: limits.namespacesMax bounds them.
    socket.conn.setMaxListeners(0);
    socket.conn.once("close", one.closed);
    if (!asks) {
      next();
      return;
    }
    lane.connect(handshakeOf(socket)).then(
      (answer) => {
        one.answer = answer;
        if (gone !== undefined) one.closed(gone);
        else if (isAnothers(socket, answer.userId ?? needs.tokenUserOf(socket))) {
          socket.conn.off("close", one.closed);
          one.closed("server namespace disconnect");
          next(refusalOf({ code: "AUTH_WRONG_USER" }));
          return;
        }
        // Gone or not: Socket.IO looks, and forgets the socket by itself.
        next();
      },
      (error: unknown) => {
        socket.conn.off("close", one.closed);
        held?.drop();
        lane.end();
        next(refusalOf(error));
      },
    );
  }

  function connected(socket: ForwardSocket): void {
    const one = entering.get(socket);
    if (!one) return;
    entering.delete(socket);
    socket.conn.off("close", one.closed);
    const { lane, held, answer } = one;
    if (answer?.data) Object.assign(socket.data, answer.data);
    // After the data: those may hold what the client itself says.
    if (answer?.userId !== undefined) socket.data.userId = answer.userId;
    if (answer?.rooms?.length) socket.join([...answer.rooms]);
    listen(socket, lane, { overflow: settings.overflow, needs });
    held?.release();
    if (answer?.commands?.length) needs.apply(answer.commands);
  }

  /** A later middleware said no: the connection may live on, and ask again and again. */
  function removed(socket: ForwardSocket): void {
    const one = entering.get(socket);
    // Else its connection's end is the reason, and is told by itself.
    if (!one || socket.conn.readyState !== "open") return;
    entering.delete(socket);
    socket.conn.off("close", one.closed);
    one.closed("server namespace disconnect");
  }

  return (namespace) => {
    namespace.use(enter);
    needs.watchRemoved(namespace, removed);
    // First, so that the rooms and data are there for every other listener.
    namespace.prependListener("connection", connected);
  };
}

/** Hands a connected socket's events on, and its end. */
function listen(
  socket: ForwardSocket,
  lane: ForwardLane,
  { overflow, needs }: ForwardSettings & { readonly needs: ForwardNeeds },
): void {
  let toldAt = Number.NEGATIVE_INFINITY;

  // A middleware and not a listener: it sees events of any name, in order, the last ones too.
  socket.use((packet, next) => {
    const [name, ...args] = packet;
    const last = args[args.length - 1];
    const ack = typeof last === "function" ? last : undefined;
    if (ack) args.pop();
    const answer = ack && ((reply: ForwardReply) => ack(...argsOf(reply)));
    const code = lane.event(String(name), args, answer);
    if (code !== undefined) refuse(String(name), code, answer);
    next();
  });
  socket.on("disconnect", (reason) => lane.end(reason));

  function refuse(
    event: string,
    code: FailureCode,
    answer: ((reply: ForwardReply) => void) | undefined,
  ): void {
    // Then the event is the process's own.
    if (code === "UPSTREAM_NO_ROUTE" && socket.listenerCount(event) > 0) return;
    if (answer) answer({ code });
    else tell(event, code);
    if (overflow === "close" && FULL.has(code)) needs.close(socket);
  }

  function tell(event: string, code: FailureCode): void {
    const at = needs.now();
    if (at - toldAt < TELL_MS) return;
    toldAt = at;
    socket.emit(EVENT_REFUSED, { event, ...inWords({ code }) });
  }
}

function argsOf(reply: ForwardReply): readonly unknown[] {
  return "ack" in reply ? reply.ack : [{ error: inWords(reply) }];
}

function inWords({ code, message, data }: Exclude<ForwardReply, { ack: unknown }>) {
  const { text, retry } = FAILURES[code];
  return { code, message: message ?? text, retry, ...(data !== undefined && { data }) };
}

function handshakeOf({ handshake, recovered }: ForwardSocket): CallHandshake {
  const { headers, query, auth, address, secure, issued } = handshake;
  return { headers, query, auth, address, secure, issued, recovered };
}

function userOf({ data }: ForwardSocket): string | undefined {
  if (typeof data.userId === "string") return data.userId;
  const { user } = data;
  if (typeof user !== "object" || user === null || !("sub" in user)) return undefined;
  return typeof user.sub === "string" ? user.sub : undefined;
}

/** Whether a recovered session was opened by a user other than the one who is named now. */
function isAnothers({ recovered, data }: ForwardSocket, userId: string | undefined): boolean {
  return recovered && typeof data.userId === "string" && data.userId !== userId;
}

interface Refused {
  readonly code: FailureCode;
  readonly says?: string | undefined;
  readonly data?: unknown;
}

function refusalOf(error: unknown): Error {
  // What a lane's connect rejects with, by its contract.
  const { code, says, data } = error as Refused;
  if (code === "UPSTREAM_REFUSED") {
    return Object.assign(new Error(says ?? FAILURES[code].text), { data });
  }
  const { text, retry } = FAILURES[code];
  return Object.assign(new Error(text), { data: { code, retry } });
}
