import type { CallHandshake, CallSocket, StateAnswer } from "../core/call.ts";
import type { AckOf, AnyEvents, ArgsOf, EventsMap, ServerOperator } from "./operator.ts";
import type { Schema } from "./schema.ts";

/**
 * Collects commands that are sent back in the answer, without a second request. The gateway
 * carries them out in this order.
 */
export interface AnswerIo<Events extends EventsMap> extends ServerOperator<Events, void> {
  /** Chooses a namespace. Default: `/`. */
  of(namespace: string): AnswerIo<Events>;
  /** Forgets what waits under a key of `after`, in this namespace. */
  cancel(key: string): void;
}

/** The socket of a call. Its `data` is what answers have set so far. */
export interface SocketOf<Data> extends CallSocket {
  /** `socket.data` when the call was sent. */
  readonly data?: unknown extends Data ? unknown : Readonly<Partial<Data>>;
}

/** What every handler is told. */
export interface CallContext<Data = unknown> {
  /** The socket that the call is about. */
  readonly socket: SocketOf<Data>;
  /** Id of the call; a retry has the same id. */
  readonly id: string;
  /** Sockets in each room of the socket, over all nodes; in the calls of routes with `presence`. */
  readonly rooms?: Readonly<Record<string, number>> | undefined;
  /** The call's trace context (W3C), to be given to `createEmitter`, so that it goes on there. */
  readonly traceparent?: string | undefined;
  /** What goes with `traceparent`. */
  readonly tracestate?: string | undefined;
}

/** A client that wants to enter a namespace. */
export interface ConnectContext<Data = unknown> extends CallContext<Data> {
  /** The handshake of the client: its headers, query and `auth`. */
  readonly handshake: CallHandshake;
}

/** A client that is in. */
export interface ConnectedContext<Data = unknown> extends CallContext<Data> {
  /** Whether a lost session was resumed, with its id, rooms and data. */
  readonly recovered: boolean;
}

/** An event of a client. */
export interface EventContext<Args, Data = unknown> extends CallContext<Data> {
  /** The event's name. */
  readonly event: string;
  /** The event's arguments, without the callback. */
  readonly args: Args;
  /** Whether the client waits for an acknowledgement. */
  readonly ack: boolean;
}

/** A client that has left. */
export interface DisconnectContext<Data = unknown> extends CallContext<Data> {
  /** The reason of Socket.IO's `disconnect` event, or `node_lost` if the socket's node died. */
  readonly reason: string;
}

/** A merge patch (RFC 7396): members replace those there, and null deletes. */
export type Patch<Data> = unknown extends Data
  ? Readonly<Record<string, unknown>>
  : { readonly [Key in keyof Data]?: PatchOf<Data[Key]> | null | undefined };

type PatchOf<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? Patch<Value>
    : Value;

/** What a handler may return to change its socket. */
export interface StateReply<Data = unknown> {
  /** What changes in `socket.data`; what it does not name stays as it is. */
  readonly data?: Patch<Data> | undefined;
  /** Rooms that the socket joins, or leaves and then joins. */
  readonly rooms?: StateAnswer["rooms"];
}

/** What lets a client in. */
export interface ConnectReply<Data = unknown> extends StateReply<Data> {
  /** Names the user in later calls of the socket: it becomes `socket.data.userId`. */
  readonly userId?: string | undefined;
}

/** What the handler of an event may return instead of the acknowledgement's arguments alone. */
export interface EventReply<Ack, Data = unknown> extends StateReply<Data> {
  /** Arguments of the client's acknowledgement. */
  readonly ack?: Ack | undefined;
}

type Later<T> = T | Promise<T>;

/** What a handler returns, which may be nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
type Returned<T> = Later<T | void>;

/** Handles an event: a list is the acknowledgement's arguments, an object may say more. */
export type EventHandler<Args, Ack, Emit extends EventsMap, Data = unknown> = (
  context: EventContext<Args, Data>,
  io: AnswerIo<Emit>,
) => Returned<Ack | EventReply<Ack, Data>>;

/** Handles an event whose arguments fit a schema; others are refused with {@link BadArgs}. */
export interface CheckedEvent<Args, Ack, Emit extends EventsMap, Data = unknown> {
  /** The schema of the list of arguments. The handler gets what it makes of them. */
  readonly args: Schema<Readonly<Args>>;
  /** Called with arguments that fit. */
  readonly handler: EventHandler<Args, Ack, Emit, Data>;
}

/** What an event has, by its declaration: what one declares by a schema must be checked by it. */
type Handling<Declared, Args, Ack, Emit extends EventsMap, Data> =
  | (Declared extends Schema<unknown> ? never : EventHandler<Args, Ack, Emit, Data>)
  | CheckedEvent<Args, Ack, Emit, Data>;

/** The handlers of a function, and how it reads its calls. */
export interface HandlerOptions<Listen extends EventsMap, Emit extends EventsMap, Data = unknown> {
  /** The gateway's signing secret, or several during a rotation. */
  readonly secret: string | readonly string[];
  /** Accepts a client, or throws {@link Refusal}. Left out, every client is accepted. */
  readonly connect?: (
    context: ConnectContext<Data>,
    io: AnswerIo<Emit>,
  ) => Returned<ConnectReply<Data>>;
  /** Called before the socket's first event, when the client is in, on routes that ask for it. */
  readonly connected?: (
    context: ConnectedContext<Data>,
    io: AnswerIo<Emit>,
  ) => Returned<StateReply<Data>>;
  /** By event name: a handler, or a schema of the arguments with a handler. */
  readonly events?: {
    readonly [Name in keyof Listen & string]?: Handling<
      Listen[Name],
      ArgsOf<Listen, Name>,
      AckOf<Listen, Name>,
      Emit,
      Data
    >;
  };
  /** Called after the socket's last event, when it has disconnected. */
  readonly disconnect?: (
    context: DisconnectContext<Data>,
    io: AnswerIo<Emit>,
  ) => Returned<StateReply<Data>>;
  /**
   * Called with what a handler throws, unless it is a refusal. The gateway only learns that the
   * function failed. Default: `console.error`.
   */
  readonly failed?: (error: unknown) => void;
  /**
   * Whether a call with this id was handled before. It is then answered without being handled.
   * Default: every call is handled.
   */
  readonly isRepeated?: (id: string) => Later<boolean>;
  /** How far a call's timestamp may be from now. Default: 300 seconds. */
  readonly toleranceSeconds?: number;
  /** The largest body that is read. Default: 4194304 bytes. */
  readonly bodyBytesMax?: number;
}

/** The options where nothing is declared: arguments have the types that their schemas make. */
export interface InferredOptions<Args>
  extends Omit<HandlerOptions<AnyEvents, AnyEvents>, "events"> {
  readonly events?: {
    readonly [Name in keyof Args]:
      | EventHandler<readonly unknown[], readonly unknown[], AnyEvents>
      | {
          readonly args: Schema<Args[Name] & readonly unknown[]>;
          readonly handler: EventHandler<Args[Name], readonly unknown[], AnyEvents>;
        };
  };
}
