/**
 * The JSON bodies of calls to functions and of their answers. Bytes are tagged as in
 * core/tagged-json.ts. It imports nothing at run time, because `edge/` shares it.
 */
import type { Command } from "./command.ts";

/** The types of the CloudEvents that functions receive. */
export const CALL_TYPES = {
  connect: "io.sluice.connect",
  event: "io.sluice.event",
  disconnect: "io.sluice.disconnect",
} as const;

/** Kinds of calls. */
export type CallKind = keyof typeof CALL_TYPES;

/** The socket that a call is about. */
export interface CallSocket {
  readonly id: string;
  readonly namespace: string;
  /** The user, as the answer to the connect call named it. */
  readonly userId?: string | undefined;
  /** `socket.data`, as set by the answer to the connect call and by handlers in the process. */
  readonly data?: unknown;
}

/** The handshake of a socket's client. */
export interface CallHandshake {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
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
export interface ConnectCall {
  readonly socket: CallSocket & { readonly handshake: CallHandshake };
}

/** Body of `io.sluice.event`; `ack` says whether the client waits for an answer. */
export interface EventCall {
  readonly socket: CallSocket;
  readonly event: string;
  readonly args: readonly unknown[];
  readonly ack: boolean;
}

/** Body of `io.sluice.disconnect`. */
export interface DisconnectCall {
  readonly socket: CallSocket;
  /** The reason of Socket.IO's `disconnect` event, or `node_lost` if the socket's node died. */
  readonly reason: string;
}

/** Answer of a function that lets a socket in. */
export interface ConnectAnswer {
  /** Names the user in later calls of the socket. */
  readonly userId?: string | undefined;
  /** Members to set in `socket.data`. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Rooms that the socket joins. */
  readonly rooms?: readonly string[] | undefined;
  /** Commands to carry out once the socket is connected. */
  readonly commands?: readonly Command[] | undefined;
}

/** Answer of a function that refuses: a socket with 401 or 403, an event with 422. */
export interface Refusal {
  readonly message?: string | undefined;
  readonly data?: unknown;
}

/** Answer to an event or, without `ack`, to a disconnect. */
export interface EventAnswer {
  /** Arguments of the client's acknowledgement. */
  readonly ack?: readonly unknown[] | undefined;
  readonly commands?: readonly Command[] | undefined;
}

/**
 * Answer to a batch. Events that are not in `failed` are done. Commands are listed by the id of
 * their event, so that an invalid command fails only its own event.
 */
export interface BatchAnswer {
  readonly answers?:
    | readonly { readonly id: string; readonly commands: readonly Command[] }[]
    | undefined;
  /** Events that were not handled. Those with `retry` are sent again, in their order. */
  readonly failed?: readonly { readonly id: string; readonly retry: boolean }[] | undefined;
}
