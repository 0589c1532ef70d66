/**
 * Commands that functions, the HTTP API and the SDK may send, named after Socket.IO's own methods.
 * Types only, so that `edge/` can share them without bundling the schema.
 *
 * An empty `to` or `in` selects nobody, so that a caller who computes a list of recipients and
 * finds none does not reach everyone. If the field is left out, the command is for everyone.
 */

interface InNamespace {
  /** `/` when left out. */
  readonly namespace?: string | undefined;
}

interface Emission extends InNamespace {
  /** Rooms or socket ids; left out: every socket of the namespace. */
  readonly to?: readonly string[] | undefined;
  /** Rooms or socket ids that are left out. */
  readonly except?: readonly string[] | undefined;
  readonly event: string;
  readonly args?: readonly unknown[] | undefined;
}

interface Selection extends InNamespace {
  /** Rooms or socket ids; left out: every socket of the namespace. */
  readonly in?: readonly string[] | undefined;
  /** Rooms or socket ids that are left out. */
  readonly except?: readonly string[] | undefined;
}

/** What makes a command one that is carried out later. */
interface Delay {
  /** Carries it out after so many milliseconds (1…2592000000, 30 days); left out: now. */
  readonly afterMs?: number | undefined;
  /**
   * Of a command with `afterMs`: what `cancel` names it by (1…256 characters). In one namespace a
   * later command with the same key replaces it.
   */
  readonly key?: string | undefined;
}

/** Emits to every socket in any of the rooms `to`, except those in `except`. */
export interface EmitCommand extends Emission, Delay {
  readonly do: "emit";
  /** Whether clients that cannot receive it at this moment may miss it. Default: false. */
  readonly volatile?: boolean | undefined;
}

/** Emits, then waits for one acknowledgement per socket, at most `timeoutMs`. */
export interface EmitWithAckCommand extends Emission {
  readonly do: "emitWithAck";
  /** How long to wait for acknowledgements. Default: 5000 (1…60000 milliseconds). */
  readonly timeoutMs?: number | undefined;
}

/** Makes the matching sockets join or leave rooms. */
export interface RoomsCommand extends Selection, Delay {
  readonly do: "socketsJoin" | "socketsLeave";
  readonly rooms: readonly string[];
}

/** Disconnects the matching sockets. */
export interface DisconnectCommand extends Selection, Delay {
  readonly do: "disconnectSockets";
  /**
   * Whether their connections close too, and with them sockets of other namespaces. Default: false.
   */
  readonly close?: boolean | undefined;
}

/** Lists at most `limit` matching sockets, sorted by id, starting after the id `after`. */
export interface FetchCommand extends Selection {
  readonly do: "fetchSockets";
  /** Most sockets listed. Default: 1000 (1…10000). */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

/** Emits to the other nodes; if delayed, to all but the one that carries it out. */
export interface ServerSideEmitCommand extends InNamespace, Delay {
  readonly do: "serverSideEmit";
  readonly event: string;
  readonly args?: readonly unknown[] | undefined;
}

/**
 * Forgets the command that waits under a key in this namespace. One whose time has come is carried
 * out all the same: `cancelled` in the result says which it was.
 */
export interface CancelCommand extends InNamespace {
  readonly do: "cancel";
  readonly key: string;
}

/** A command that may be carried out later. */
export type DelayableCommand =
  | EmitCommand
  | RoomsCommand
  | DisconnectCommand
  | ServerSideEmitCommand;

/** One command. */
export type Command = DelayableCommand | EmitWithAckCommand | FetchCommand | CancelCommand;

/** The name of a command: the value of its `do`. */
export type CommandName = Command["do"];

/** A socket as `fetchSockets` shows it. */
export interface PresentSocket {
  /** The socket's id. */
  readonly id: string;
  /** Rooms that the socket is in, with the one named by its id. */
  readonly rooms: readonly string[];
  /** `socket.data`, or `{ "$error": "cannot be sent: …" }` if it cannot be serialized. */
  readonly data: unknown;
  /** A part of the handshake of the socket's client. */
  readonly handshake: {
    /** The client's IP address; behind a trusted proxy, the one that the proxy names. */
    readonly address: string;
    /** When the connection was opened, in milliseconds since 1970. */
    readonly issued: number;
    /** Whether the connection uses TLS. */
    readonly secure: boolean;
    /** Query parameters of the request that opened the connection. */
    readonly query: Readonly<Record<string, unknown>>;
  };
}

/** Result of a command that was carried out; of one with `afterMs`, that is kept until then. */
export interface Done {
  readonly ok: true;
  /** Of `emitWithAck`: one per socket that answered, in the order in which they arrived. */
  readonly answers?: readonly { readonly id: string; readonly answer: unknown }[];
  /** Of `emitWithAck`: the sockets that did not answer in time or disconnected before. */
  readonly timedOut?: readonly string[];
  /** Of `fetchSockets`. */
  readonly sockets?: readonly PresentSocket[];
  /** Of `fetchSockets`, if there are more sockets: pass it as `after` to get them. */
  readonly next?: string;
  /** Of a command with `afterMs`: its key, if it has one. */
  readonly key?: string;
  /** Of `cancel`: whether a command waited under the key; it will not be carried out. */
  readonly cancelled?: boolean;
}

/** Result of a command that could not be carried out; `code` is a row of the table of failures. */
export interface Refused {
  readonly ok: false;
  readonly code: string;
  readonly detail: string;
}

/** Result of one command. */
export type CommandResult = Done | Refused;

/** Where a command came from, the label of `sluice_commands_total{caller}`. */
export type CommandCaller = "api" | "upstream";
