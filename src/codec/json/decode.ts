import { FailureError } from "../../core/failures.ts";
import type { Packet } from "../../core/packet.ts";
import { checkPacket, type Limits, plainType, TYPE } from "../limits.ts";
import { measureJson } from "./measure.ts";
import { checkKeys, findPlaceholders, type Placeholder } from "./placeholders.ts";

/** A packet read from text, and the places its attachments go to once they have come. */
export interface Unfinished {
  readonly packet: Packet;
  /** One per attachment, in the order the attachments come. */
  readonly places: readonly Placeholder[];
}

const ZERO = 0x30;
const NINE = 0x39;
const SLASH = 0x2f;
const MINUS = 0x2d;

/**
 * Reads one text frame: `<type>[<attachments>-][<namespace>,][<id>][<JSON>]` (Socket.IO protocol
 * v5, "Packet encoding").
 *
 * Depth and number of values are counted before the text is given to JSON.parse. A packet with
 * attachments must hold exactly one placeholder for each. Throws {@link FailureError}.
 */
export function decodeJson(limits: Limits, text: string): Unfinished {
  const type = text.charCodeAt(0) - ZERO;
  if (!(type >= 0 && type <= TYPE.binaryAck)) {
    throw new FailureError("CODEC_MALFORMED", "the text begins with no packet type");
  }
  const binary = type === TYPE.binaryEvent || type === TYPE.binaryAck;
  let at = 1;
  let attachments = 0;
  if (binary) {
    const end = digitsEnd(text, at);
    attachments = readAttachments(limits, text, at, end);
    at = end + 1;
  }
  let nsp = "/";
  if (text.charCodeAt(at) === SLASH) {
    const comma = text.indexOf(",", at);
    const end = comma < 0 ? text.length : comma;
    // Held against the limit before it is cut out.
    if (end - at > limits.nameBytesMax) throw new FailureError("CODEC_NAME_TOO_LONG");
    nsp = text.slice(at, end);
    // A namespace made by a client's CONNECT keeps its name, and a part of a text keeps the whole.
    if (type === TYPE.connect) nsp = Buffer.from(nsp).toString();
    at = end + 1;
  }
  let id: number | undefined;
  const idEnd = digitsEnd(text, at);
  if (idEnd > at) {
    id = idEnd - at <= 16 ? Number(text.slice(at, idEnd)) : Number.POSITIVE_INFINITY;
    at = idEnd;
  }
  const data = at < text.length ? parse(limits, text, at) : undefined;
  const places = settle(text, data, attachments);
  return { packet: checkPacket(limits, { type: plainType(type), nsp, id, data }), places };
}

function digitsEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (c < ZERO || c > NINE) break;
    at += 1;
  }
  return at;
}

function readAttachments(limits: Limits, text: string, from: number, end: number): number {
  const count = end - from <= 4 ? Number(text.slice(from, end)) : Number.POSITIVE_INFINITY;
  if (end === from || count < 1 || text.charCodeAt(end) !== MINUS) {
    throw new FailureError("CODEC_BAD_SHAPE", "no number of attachments");
  }
  if (count > limits.attachmentsMax) throw new FailureError("CODEC_TOO_MANY_ATTACHMENTS");
  return count;
}

function parse(limits: Limits, text: string, from: number): unknown {
  measureJson(limits, text, from);
  try {
    return JSON.parse(text.slice(from));
  } catch {
    // Without its cause, whose message quotes the client's text and would end up in a log.
    throw new FailureError("CODEC_MALFORMED", "the payload is not JSON");
  }
}

function settle(text: string, data: unknown, attachments: number): readonly Placeholder[] {
  if (attachments > 0) return findPlaceholders(data, attachments);
  // Both refused keys hold "_p", unless they hide behind escapes; most texts have neither.
  if (text.includes("_p") || text.includes("\\u00")) {
    checkKeys(data);
  }
  return [];
}
