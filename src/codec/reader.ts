import { type FailureCode, FailureError } from "../core/failures.ts";
import type { CodecName, Packet } from "../core/packet.ts";
import { awaitAttachments, type TakeAttachment } from "./json/attachments.ts";
import { decodeJson } from "./json/decode.ts";
import { type Limits, TYPE } from "./limits.ts";
import type { DecodeMsgpack } from "./msgpack/decode.ts";

/** Turns the frames of one connection into packets. */
export interface Reader {
  /** The codec its first frame decided; undefined before. */
  readonly name: CodecName | undefined;
  /**
   * After CODEC_NOT_ACCEPTED: the CONNECT_ERROR that tells the client why, to be encoded in `name`
   * before the connection is closed. Otherwise undefined.
   */
  readonly refusal: Packet | undefined;
  /** Bytes of a packet whose attachments have not all come. */
  readonly heldBytes: number;
  /**
   * Returns the frame's packet, or undefined while attachments are awaited.
   *
   * `lasting` says that the frame's bytes stay valid after the call: binary values are then views
   * on them, otherwise copies. `outside` says that the connection has been in no namespace yet:
   * then the limits of a CONNECT are those of every packet. Throws {@link FailureError} with a
   * CODEC_ code, once; the connection is then to be closed, and further frames are undefined.
   */
  read(
    frame: string | Buffer | ArrayBuffer,
    lasting?: boolean,
    outside?: boolean,
  ): Packet | undefined;
  /** Forgets a packet whose attachments have not come. */
  destroy(): void;
}

/** What a reader is made of. */
export interface ReaderNeeds {
  readonly any: Believing;
  /** For CONNECTs. */
  readonly connect: Believing;
  readonly accept: "both" | CodecName;
  readonly seen: {
    decoded(codec: CodecName): void;
    refused(reason: FailureCode): void;
  };
}

/** How much of a packet is believed, and a decoder that believes no more. */
interface Believing {
  readonly limits: Limits;
  readonly decodeMsgpack: DecodeMsgpack;
}

/**
 * Returns the reader of one connection.
 *
 * The first frame decides: a CONNECT is text in JSON and bytes in msgpack. Engine.IO 3 clients are
 * spoken to before they speak, so theirs is JSON from the start.
 */
export function createReader(needs: ReaderNeeds, fixed?: CodecName): Reader {
  return new ConnectionReader(needs, fixed);
}

/** A class because there is one a connection: closures would take 700 bytes more of each. */
class ConnectionReader implements Reader {
  name: CodecName | undefined;
  refusal: Packet | undefined;
  heldBytes = 0;
  readonly #needs: ReaderNeeds;
  readonly #fixed: boolean;
  #begun = false;
  #ended = false;
  #awaiting: TakeAttachment | undefined;

  constructor(needs: ReaderNeeds, fixed: CodecName | undefined) {
    this.#needs = needs;
    this.#fixed = fixed !== undefined;
    this.name = fixed;
  }

  read(frame: string | Buffer | ArrayBuffer, lasting = false, outside = false): Packet | undefined {
    if (this.#ended) return undefined;
    try {
      const packet = this.#decode(frame, lasting, outside);
      if (packet && this.name) this.#needs.seen.decoded(this.name);
      return packet;
    } catch (error) {
      this.destroy();
      throw refused(this.#needs, error);
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
    const { accept } = this.#needs;
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
    const { any, connect } = this.#needs;
    if (!outside) {
      const packet = decodeBytes(any, bytes, lasting);
      if (packet.type !== TYPE.connect) return packet;
    }
    // Again, within its own limits: where the type stands in a frame is the client's to choose.
    return decodeBytes(connect, bytes, false);
  }

  #decodeText(text: string, outside: boolean): Packet | undefined {
    if (this.name !== "json") {
      throw new FailureError("CODEC_MALFORMED", "text on a msgpack connection");
    }
    if (this.#awaiting) throw new FailureError("CODEC_BAD_SHAPE", "text instead of an attachment");
    const { any, connect } = this.#needs;
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

function decodeBytes({ limits, decodeMsgpack }: Believing, bytes: Buffer, lasting: boolean) {
  if (bytes.length > limits.packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
  return decodeMsgpack(bytes, lasting);
}

function refused(needs: ReaderNeeds, error: unknown): FailureError {
  const failure =
    error instanceof FailureError
      ? error
      : new FailureError("CODEC_MALFORMED", undefined, { cause: error });
  needs.seen.refused(failure.code);
  return failure;
}

function checkTextSize(limits: Limits, text: string): void {
  // No UTF-16 unit needs more than three bytes of UTF-8, so most texts need not be measured.
  if (text.length * 3 <= limits.packetBytesMax) return;
  if (Buffer.byteLength(text) > limits.packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
}

/**
 * Reads a CONNECT of Socket.IO 2, whose namespace carries a query: `0/admin?token=abc,`. The query
 * is no part of the name's length.
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
