import { type FailureCode, FailureError } from "../core/failures.ts";
import type { CodecName, Packet } from "../core/packet.ts";
import { awaitAttachments, decodeJson, type TakeAttachment } from "./json/decode.ts";
import { type Limits, TYPE } from "./limits.ts";
import type { DecodeMsgpack } from "./msgpack/decode.ts";

/** Turns the frames of one connection into packets. */
export interface FrameReader {
  /** The codec, decided by the first frame; undefined before. */
  readonly name: CodecName | undefined;
  /**
   * After CODEC_NOT_ACCEPTED, the CONNECT_ERROR to send in the codec `name` before the connection
   * is closed; otherwise undefined.
   */
  readonly refusal: Packet | undefined;
  /** Bytes of a packet whose attachments have not all arrived. */
  readonly heldBytes: number;
  /**
   * Returns the frame's packet, or undefined while attachments are missing.
   *
   * `lasting`: the frame's bytes stay valid after the call, so binary values are views on them;
   * otherwise they are copies. `outside`: the connection has been in no namespace yet, so the
   * limits of a CONNECT apply to every packet. Throws {@link FailureError} with a CODEC_ code,
   * once: the caller must then close the connection, and further frames return undefined.
   */
  read(
    frame: string | Buffer | ArrayBuffer,
    lasting?: boolean,
    outside?: boolean,
  ): Packet | undefined;
  /** Frees a packet whose attachments have not all arrived. */
  destroy(): void;
}

/** What all readers of a gateway share. */
interface Shared {
  readonly any: LimitedDecoder;
  /** For CONNECTs, and for every packet before the first is answered. */
  readonly connect: LimitedDecoder;
  readonly accept: "both" | CodecName;
  readonly seen: {
    decoded(codec: CodecName): void;
    refused(reason: FailureCode): void;
  };
}

interface LimitedDecoder {
  readonly limits: Limits;
  readonly decodeMsgpack: DecodeMsgpack;
}

/**
 * Returns the reader of one connection.
 *
 * The first frame decides the codec: a CONNECT is text in JSON and bytes in msgpack. To an
 * Engine.IO 3 client the server sends first, so its codec is fixed to JSON.
 */
export function createFrameReader(shared: Shared, fixed?: CodecName): FrameReader {
  return new ConnectionReader(shared, fixed);
}

/** A class, because closures would take 700 bytes more per connection. */
class ConnectionReader implements FrameReader {
  name: CodecName | undefined;
  refusal: Packet | undefined;
  heldBytes = 0;
  readonly #shared: Shared;
  readonly #fixed: boolean;
  #begun = false;
  #ended = false;
  #awaiting: TakeAttachment | undefined;

  constructor(shared: Shared, fixed: CodecName | undefined) {
    this.#shared = shared;
    this.#fixed = fixed !== undefined;
    this.name = fixed;
  }

  read(frame: string | Buffer | ArrayBuffer, lasting = false, outside = false): Packet | undefined {
    if (this.#ended) return undefined;
    try {
      const packet = this.#decode(frame, lasting, outside);
      if (packet && this.name) this.#shared.seen.decoded(this.name);
      return packet;
    } catch (error) {
      this.destroy();
      throw countRefusal(this.#shared, error);
    }
  }

  destroy(): void {
    this.#ended = true;
    this.#awaiting = undefined;
    this.heldBytes = 0;
  }

  #decode(
    frame: string | Buffer | ArrayBuffer,
    lasting: boolean,
    outside: boolean,
  ): Packet | undefined {
    const { accept } = this.#shared;
    this.name ??= typeof frame === "string" ? "json" : "msgpack";
    if (this.#begun || accept === "both" || accept === this.name) {
      this.#begun = true;
      return this.#decodeAs(frame, lasting, outside);
    }
    this.refusal = connectError(accept, this.name, this.#namespaceOf(frame));
    throw new FailureError("CODEC_NOT_ACCEPTED", whyNot(accept, this.name));
  }

  #decodeAs(
    frame: string | Buffer | ArrayBuffer,
    lasting: boolean,
    outside: boolean,
  ): Packet | undefined {
    if (typeof frame === "string") return this.#decodeText(frame, outside);
    const bytes = Buffer.isBuffer(frame) ? frame : Buffer.from(frame);
    if (this.name === "json") return this.#takeAttachment(bytes, lasting);
    const { any, connect } = this.#shared;
    if (!outside) {
      const packet = decodeBytes(any, bytes, lasting);
      if (packet.type !== TYPE.connect) return packet;
    }
    // Decoded again with the limits of a CONNECT: the type may stand anywhere in the frame, so it
    // is known only after decoding.
    return decodeBytes(connect, bytes, false);
  }

  #decodeText(text: string, outside: boolean): Packet | undefined {
    if (this.name !== "json") {
      throw new FailureError("CODEC_MALFORMED", "text on a msgpack connection");
    }
    if (this.#awaiting) throw new FailureError("CODEC_BAD_SHAPE", "text instead of an attachment");
    const { any, connect } = this.#shared;
    const { limits } = outside || text.startsWith("0") ? connect : any;
    checkTextSize(limits, text);
    if (this.#fixed && text.startsWith("0")) return decodeOldConnect(limits, text);
    const decoded = decodeJson(limits, text);
    if (decoded.places.length === 0) return decoded.packet;
    if (outside) throw new FailureError("CODEC_BAD_SHAPE", "attachments before a CONNECT");
    const { packetBytesMax } = limits;
    this.heldBytes = Buffer.byteLength(text);
    this.#awaiting = awaitAttachments(decoded, this.heldBytes, packetBytesMax);
    return undefined;
  }

  #takeAttachment(bytes: Buffer, lasting: boolean): Packet | undefined {
    if (!this.#awaiting) throw new FailureError("CODEC_BAD_SHAPE", "an attachment of no packet");
    const packet = this.#awaiting(bytes, lasting);
    if (packet) this.#awaiting = undefined;
    this.heldBytes = packet ? 0 : this.heldBytes + bytes.length;
    return packet;
  }

  #namespaceOf(frame: string | Buffer | ArrayBuffer): string {
    try {
      return this.#decodeAs(frame, true, true)?.nsp ?? "/";
    } catch {
      return "/";
    } finally {
      this.#awaiting = undefined;
    }
  }
}

function decodeBytes({ limits, decodeMsgpack }: LimitedDecoder, bytes: Buffer, lasting: boolean) {
  if (bytes.length > limits.packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
  return decodeMsgpack(bytes, lasting);
}

function countRefusal(shared: Shared, error: unknown): FailureError {
  const failure =
    error instanceof FailureError
      ? error
      : new FailureError("CODEC_MALFORMED", undefined, { cause: error });
  shared.seen.refused(failure.code);
  return failure;
}

function checkTextSize(limits: Limits, text: string): void {
  // A UTF-16 unit takes at most three bytes of UTF-8, so most texts need not be measured.
  if (text.length * 3 <= limits.packetBytesMax) return;
  if (Buffer.byteLength(text) > limits.packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
}

/**
 * Reads a CONNECT of Socket.IO 2, whose namespace may carry a query: `0/admin?token=abc,`. The
 * query does not count towards `nameBytesMax`.
 */
function decodeOldConnect(limits: Limits, text: string): Packet {
  const mark = text.indexOf("?");
  if (mark < 0) return decodeJson(limits, text).packet;
  const { packet } = decodeJson(limits, text.slice(0, mark));
  const comma = text.indexOf(",", mark);
  return { ...packet, nsp: packet.nsp + text.slice(mark, comma < 0 ? text.length : comma) };
}

function whyNot(accept: string, name: CodecName): string {
  return `this client speaks ${name}, the gateway ${accept} only`;
}

function connectError(accept: string, name: CodecName, nsp: string): Packet {
  const message = `Codec not accepted: ${whyNot(accept, name)}`;
  return { type: TYPE.connectError, nsp, data: { message, data: { code: "CODEC_NOT_ACCEPTED" } } };
}
