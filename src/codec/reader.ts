import { type FailureCode, FailureError } from "../core/failures.ts";
import type { CodecName, Packet } from "../core/packet.ts";
import { awaitAttachments, type TakeAttachment } from "./attachments.ts";
import { decodeJson } from "./json-decode.ts";
import { type Limits, TYPE } from "./limits.ts";
import type { DecodeMsgpack } from "./msgpack-decode.ts";

/** Turns the frames of one connection into packets. */
export interface Reader {
  /** The codec its first frame decided; undefined before. */
  readonly name: CodecName | undefined;
  /**
   * After CODEC_NOT_ACCEPTED: the CONNECT_ERROR that tells the client why, to be encoded in `name`
   * before the connection is closed. Otherwise undefined.
   */
  readonly refusal: Packet | undefined;
  /**
   * Returns the frame's packet, or undefined while attachments are awaited.
   *
   * `lasting` says that the frame's bytes stay valid after the call: binary values are then views on
   * them, otherwise copies. Throws {@link FailureError} with a CODEC_ code, once; the connection is
   * then to be closed, and further frames are undefined.
   */
  read(frame: string | Buffer | ArrayBuffer, lasting?: boolean): Packet | undefined;
  /** Forgets a packet whose attachments have not come. */
  destroy(): void;
}

/** What a reader is made of. */
export interface ReaderNeeds {
  readonly limits: Limits;
  readonly accept: "both" | CodecName;
  readonly decodeMsgpack: DecodeMsgpack;
  readonly seen: {
    decoded(codec: CodecName): void;
    refused(reason: FailureCode): void;
  };
}

/**
 * Returns the reader of one connection.
 *
 * The first frame decides: a CONNECT is text in JSON and bytes in msgpack. Engine.IO 3 clients are
 * spoken to before they speak, so theirs is JSON from the start.
 */
export function createReader(needs: ReaderNeeds, fixed?: CodecName): Reader {
  const { limits } = needs;
  let name = fixed;
  let begun = false;
  let ended = false;
  let awaiting: TakeAttachment | undefined;
  let refusal: Packet | undefined;

  function decode(frame: string | Buffer | ArrayBuffer, lasting: boolean): Packet | undefined {
    name ??= typeof frame === "string" ? "json" : "msgpack";
    if (begun || needs.accept === "both" || needs.accept === name) {
      begun = true;
      return decodeAs(frame, lasting);
    }
    refusal = connectError(needs.accept, name, namespaceOf(frame));
    throw new FailureError("CODEC_NOT_ACCEPTED", whyNot(needs.accept, name));
  }

  function decodeAs(frame: string | Buffer | ArrayBuffer, lasting: boolean): Packet | undefined {
    if (typeof frame === "string") return decodeText(frame);
    const bytes = Buffer.isBuffer(frame) ? frame : Buffer.from(frame);
    if (name === "json") return takeAttachment(bytes, lasting);
    if (bytes.length > limits.packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
    return needs.decodeMsgpack(bytes, lasting);
  }

  function decodeText(text: string): Packet | undefined {
    if (name !== "json") throw new FailureError("CODEC_MALFORMED", "text on a msgpack connection");
    if (awaiting) throw new FailureError("CODEC_BAD_SHAPE", "text instead of an attachment");
    checkTextSize(limits, text);
    if (fixed && text.startsWith("0")) return decodeOldConnect(limits, text);
    const decoded = decodeJson(limits, text);
    if (decoded.places.length === 0) return decoded.packet;
    awaiting = awaitAttachments(decoded, Buffer.byteLength(text), limits.packetBytesMax);
    return undefined;
  }

  function takeAttachment(bytes: Buffer, lasting: boolean): Packet | undefined {
    if (!awaiting) throw new FailureError("CODEC_BAD_SHAPE", "an attachment of no packet");
    const packet = awaiting(bytes, lasting);
    if (packet) awaiting = undefined;
    return packet;
  }

  function namespaceOf(frame: string | Buffer | ArrayBuffer): string {
    try {
      return decodeAs(frame, true)?.nsp ?? "/";
    } catch {
      return "/";
    } finally {
      awaiting = undefined;
    }
  }

  return {
    get name() {
      return name;
    },
    get refusal() {
      return refusal;
    },
    read(frame, lasting = false) {
      if (ended) return undefined;
      try {
        const packet = decode(frame, lasting);
        if (packet && name) needs.seen.decoded(name);
        return packet;
      } catch (error) {
        ended = true;
        awaiting = undefined;
        throw refused(needs, error);
      }
    },
    destroy() {
      ended = true;
      awaiting = undefined;
    },
  };
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
