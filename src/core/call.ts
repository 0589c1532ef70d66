/**
 * The JSON bodies of calls to functions and of their answers. Bytes are tagged as in
 * core/tagged-json.ts. Types only, so that `edge/` and `upstream/` can share this file.
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
  /** As the answer to the connect call gave it. */
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
  readonly address: string;
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
  readonly reason: string;
}

/** Answer of a function that lets a socket in. */
export interface ConnectAnswer {
  readonly userId?: string | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  readonly rooms?: readonly string[] | undefined;
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
