/**
 * The JSON bodies of calls to functions and of their answers. Bytes are tagged as in
 * core/tagged-json.ts. It imports nothing at run time, because `edge/` shares it.
 */
import type { Command } from "./command.ts";

/** The types of the CloudEvents that functions receive. */
export const CALL_TYPES = {
  connect: "io.sluice.connect",
  connected: "io.sluice.connected",
  event: "io.sluice.event",
  disconnect: "io.sluice.disconnect",
} as const;

/** Limits of what an answer says of its socket; a part of the contract, so they are no settings. */
export const ANSWER_LIMITS = { userIdCharsMax: 256, messageCharsMax: 1024 } as const;

/** Kinds of calls. */
export type CallKind = keyof typeof CALL_TYPES;

/** The socket that a call is about. */
export interface CallSocket {
  /** The socket's id, as the client and `io.in(id)` know it. */
  readonly id: string;
  /** The namespace that the socket is in, such as `/`. */
  readonly namespace: string;
  /** The user, as the answer to the connect call named it. */
  readonly userId?: string | undefined;
  /**
   * `socket.data` when the call was sent, as answers and handlers in the process have set it. In a
   * disconnect call: as it was last.
   */
  readonly data?: unknown;
  /** Grows each time an answer changes `data`. Left out if none has. */
  readonly version?: number | undefined;
  /** Rooms of the socket but for the one named by its id; in the calls of routes with `rooms`. */
  readonly rooms?: readonly string[] | undefined;
}

/** What every call has beside its socket. */
interface CallBody {
  /** The socket that the call is about. */
  readonly socket: CallSocket;
  /**
   * How many sockets, over all nodes, are in each room of the socket; in the calls of routes with
   * `presence`. In a disconnect call the socket itself is not among them any more.
   */
  readonly rooms?: Readonly<Record<string, number>> | undefined;
}

/** The handshake of a socket's client. */
export interface CallHandshake {
  /** Headers of the request that opened the connection; names are in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Query parameters of that request. */
  readonly query: Readonly<Record<string, unknown>>;
  /** The client's `auth` option. */
  readonly auth: unknown;
  /** The client's IP address; behind a trusted proxy, the one that the proxy names. */
  readonly address: string;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
  /** When the connection was opened, in milliseconds since 1970. */
  readonly issued: number;
  /** Whether a lost session was resumed, with its id, rooms and data. */
  readonly recovered: boolean;
}

/** Body of `io.sluice.connect`. */
export interface ConnectCall extends CallBody {
  /** The socket that wants to enter, with the handshake of its client. */
  readonly socket: CallSocket & {
    /** The handshake of the client. */
    readonly handshake: CallHandshake;
  };
}

/**
 * Body of `io.sluice.connected`: the client is in. Nobody waits for the answer, so it is retried,
 * and comes before the first event of the socket.
 */
export interface ConnectedCall extends CallBody {
  /** Whether a lost session was resumed, with its id, rooms and data. */
  readonly recovered: boolean;
}

/** Body of `io.sluice.event`; `ack` says whether the client waits for an answer. */
export interface EventCall extends CallBody {
  /** The event's name. */
  readonly event: string;
  /** The event's arguments, without the callback. */
  readonly args: readonly unknown[];
  /** Whether the client waits for an acknowledgement. */
  readonly ack: boolean;
}

/** Body of `io.sluice.disconnect`. */
export interface DisconnectCall extends CallBody {
  /** The reason of Socket.IO's `disconnect` event, or `node_lost` if the socket's node died. */
  readonly reason: string;
}

/**
 * What an answer changes about the socket of its call, before its commands are carried out and its
 * ack is sent. Nothing of it is done if the answer to a later call has changed `data` already.
 */
export interface StateAnswer {
  /**
   * A merge patch (RFC 7396) of `socket.data`: members replace those there, objects are merged
   * member by member, and `null` deletes. If the result exceeds `upstream.dataBytesMax`, the answer
   * fails with UPSTREAM_DATA_TOO_LARGE, and nothing that it says is done.
   */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Rooms that the socket joins, or leaves and then joins. */
  readonly rooms?: readonly string[] | RoomChange | undefined;
}

/** Rooms that a socket leaves and then joins. */
export interface RoomChange {
  /** Rooms that the socket joins, after it has left those of `leave`. */
  readonly join?: readonly string[] | undefined;
  /** Rooms that the socket leaves first. */
  readonly leave?: readonly string[] | undefined;
}

/** Answer of a function that lets a socket in. */
export interface ConnectAnswer extends StateAnswer {
  /** Names the user in later calls of the socket: it becomes `socket.data.userId`. */
  readonly userId?: string | undefined;
  /** Commands to carry out once the socket is connected. */
  readonly commands?: readonly Command[] | undefined;
}

/** Answer of a function that refuses: a socket with 401 or 403, an event with 422. */
export interface Refusal {
  /** The message of the client's error. */
  readonly message?: string | undefined;
  /** What else the client's error has, as `data`. */
  readonly data?: unknown;
}

/** Answer to an event or, without `ack`, to a connected or a disconnect call. */
export interface EventAnswer extends StateAnswer {
  /** Arguments of the client's acknowledgement. */
  readonly ack?: readonly unknown[] | undefined;
  /** Commands to carry out, in this order. */
  readonly commands?: readonly Command[] | undefined;
}

/** What a batch says to one of its events. */
export interface BatchedAnswer extends StateAnswer {
  /** Id of the event in the batch (`ce-id`). */
  readonly id: string;
  /** Commands to carry out, in this order. */
  readonly commands?: readonly Command[] | undefined;
}

/**
 * Answer to a batch. Events that are not in `failed` are done. What else there is to say stands
 * under the id of its event, so that what is invalid fails only its own event.
 */
export interface BatchAnswer {
  /** What is to be done for single events of the batch. */
  readonly answers?: readonly BatchedAnswer[] | undefined;
  /** Events that were not handled. Those with `retry` are sent again, in their order. */
  readonly failed?:
    | readonly {
        /** Id of the event in the batch (`ce-id`). */
        readonly id: string;
        /** Whether the gateway should send it again. */
        readonly retry: boolean;
      }[]
    | undefined;
}
