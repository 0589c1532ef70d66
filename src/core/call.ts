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

/** What a call is about. */
export type CallKind = keyof typeof CALL_TYPES;

/** The socket that a call is about. */
export interface CallSocket {
  readonly id: string;
  readonly namespace: string;
  /** As the connect call named it. */
  readonly userId?: string | undefined;
  /** `socket.data`, as the connect call and the process's own handlers have set it. */
  readonly data?: unknown;
}

/** How a socket's client came in. */
export interface CallHandshake {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly query: Readonly<Record<string, unknown>>;
  /** What the client gave as `auth`. */
  readonly auth: unknown;
  readonly address: string;
  readonly secure: boolean;
  /** When the connection was opened, in milliseconds since 1970. */
  readonly issued: number;
  /** Whether a lost session was resumed: the id, rooms and data are those of before. */
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

/** Answer to an event; to a disconnect without `ack`. */
export interface EventAnswer {
  /** Arguments of the client's acknowledgement. */
  readonly ack?: readonly unknown[] | undefined;
  readonly commands?: readonly Command[] | undefined;
}

/**
 * Answer to a batch. Events that are not in `failed` are done. Each event's commands stand under
 * its own id, so that what one client made a function say wrong costs that event alone.
 */
export interface BatchAnswer {
  readonly answers?:
    | readonly { readonly id: string; readonly commands: readonly Command[] }[]
    | undefined;
  /** Ids of events that were not handled; `retry` sends them again, in their order. */
  readonly failed?: readonly { readonly id: string; readonly retry: boolean }[] | undefined;
}
