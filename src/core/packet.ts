import type { FailureCode } from "./failures.ts";

/** The two encodings a Socket.IO client may speak. */
export type CodecName = "msgpack" | "json";

/** A decoded Socket.IO packet (Socket.IO protocol v5, "Packet types"). */
export interface Packet {
  /** 0 CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK, 4 CONNECT_ERROR, 5 BINARY_EVENT, 6 BINARY_ACK. */
  type: number;
  nsp: string;
  data?: unknown;
  id?: number | undefined;
  attachments?: number;
  /** Set by a connection on an inbound packet that is over its rate: no listener may see it. */
  refused?: FailureCode;
}

/** Whether a type is one of the two of events. */
export const isEvent = (type: number): boolean => type === 2 || type === 5;

/** Whether a type is one of the two of acknowledgements. */
export const isAck = (type: number): boolean => type === 3 || type === 6;

/** One message of Engine.IO: text, or bytes. */
export type Frame = string | Buffer;

/** Returns how many bytes a frame takes. */
export function bytesOf(frame: Frame): number {
  return typeof frame === "string" ? Buffer.byteLength(frame) : frame.length;
}

/**
 * A packet on its way out. Encoded at most once per codec, when that codec is first asked for; the
 * caller may change the packet's arguments only after every codec it needs has been asked for.
 */
export interface Frames {
  /** The type of the packet. */
  readonly type: number;
  /**
   * The frames of one codec in the order they must be sent: JSON has one per attachment more, and
   * those are the bytes of the arguments themselves, for whoever sends them at once.
   */
  of(codec: CodecName): readonly Frame[];
  /**
   * The same for whoever holds them, made once: nobody else's bytes, and no more memory than twice
   * their length. From here on `of` gives out the same attachments.
   */
  keep(codec: CodecName): readonly Frame[];
}

/**
 * Event names that nobody may send: Socket.IO and Node.js' EventEmitter give them a meaning of
 * their own, so whoever could send one would speak with the server's voice. Socket.IO refuses them
 * from clients and throws when a server emits them.
 */
export const RESERVED_EVENTS: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
