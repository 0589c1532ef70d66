import type { FailureCode } from "./failures.ts";

/** The two packet encodings of Socket.IO clients. */
export type CodecName = "msgpack" | "json";

/** A decoded Socket.IO packet (Socket.IO protocol v5, "Packet types"). */
export interface Packet {
  /** 0 CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK, 4 CONNECT_ERROR, 5 BINARY_EVENT, 6 BINARY_ACK. */
  type: number;
  nsp: string;
  data?: unknown;
  id?: number | undefined;
  attachments?: number;
  /** Set on an inbound packet above the rate limit: no listener may receive it. */
  refused?: FailureCode;
}

/** Whether a packet type is EVENT or BINARY_EVENT. */
export const isEvent = (type: number): boolean => type === 2 || type === 5;

/** Whether a packet type is ACK or BINARY_ACK. */
export const isAck = (type: number): boolean => type === 3 || type === 6;

/** One Engine.IO message: text or bytes. */
export type Frame = string | Buffer;

/** Returns the length of a frame in bytes. */
export function bytesOf(frame: Frame): number {
  return typeof frame === "string" ? Buffer.byteLength(frame) : frame.length;
}

/**
 * The frames of an outbound packet. Each codec encodes them at most once, when they are first asked
 * for. Until every needed codec has been asked, the caller must not change the packet's arguments.
 */
export interface Frames {
  /** The type of the packet. */
  readonly type: number;
  /**
   * Returns the frames of one codec in sending order. JSON adds one frame per attachment. These are
   * the bytes of the arguments themselves, so send them at once.
   */
  of(codec: CodecName): readonly Frame[];
  /**
   * Returns frames that may be queued: nobody else can change their bytes, and they keep at most
   * twice their length in memory. Copied once; from then on JSON's `of` returns the same frames.
   */
  keep(codec: CodecName): readonly Frame[];
}

/**
 * Event names that nobody may send. Socket.IO and Node.js' EventEmitter emit them themselves, so a
 * client that sent one could pose as the server. Socket.IO refuses them from clients and throws
 * when a server emits them.
 */
export const RESERVED_EVENTS: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
