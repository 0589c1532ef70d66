import { FailureError } from "../../core/failures.ts";
import type { Packet } from "../../core/packet.ts";
import { checkKey, checkPacket, type Limits, plainType, TYPE } from "../limits.ts";
import { measureJson } from "./measure.ts";

/** Where an attachment belongs: `holder[key]`. */
interface Placeholder {
  readonly holder: Record<PropertyKey, unknown>;
  readonly key: PropertyKey;
}

/** A packet read from text, and the places of its attachments. */
interface DecodedText {
  readonly packet: Packet;
  /** One per attachment, in the order in which the attachments arrive. */
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
 * Depth and number of values are checked before JSON.parse. A packet with attachments must hold
 * exactly one placeholder for each. Throws {@link FailureError}.
 */
export function decodeJson(limits: Limits, text: string): DecodedText {
  const type = text.charCodeAt(0) - ZERO;
  if (!(type >= 0 && type <= TYPE.binaryAck)) {
    throw new FailureError("CODEC_MALFORMED", "the text begins with no packet type");
  }
  const binary = type === TYPE.binaryEvent || type === TYPE.binaryAck;
  let at = 1;
  let attachments = 0;
  if (binary) {
    const end = digitsEnd(text, 1);
    attachments = readAttachments(limits, text, end);
    at = end + 1;
  }
  let nsp = "/";
  if (text.charCodeAt(at) === SLASH) {
    const comma = text.indexOf(",", at);
    const end = comma < 0 ? text.length : comma;
    if (end - at > limits.nameBytesMax) throw new FailureError("CODEC_NAME_TOO_LONG");
    nsp = text.slice(at, end);
    // Copied, because V8 slices keep their parent string alive, and a CONNECT may create a
    // namespace that keeps its name.
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

/** Reads the number that stands between the packet's type and `end`. */
function readAttachments(limits: Limits, text: string, end: number): number {
  const count = end <= 5 ? Number(text.slice(1, end)) : Number.POSITIVE_INFINITY;
  if (end === 1 || count < 1 || text.charCodeAt(end) !== MINUS) {
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
    // No `cause`: its message quotes the client's text, which must not reach a log.
    throw new FailureError("CODEC_MALFORMED", "the payload is not JSON");
  }
}

function settle(text: string, data: unknown, attachments: number): readonly Placeholder[] {
  if (attachments > 0) return findPlaceholders(data, attachments);
  // Both refused keys contain "_p", possibly as a \u00… escape. Most texts contain neither.
  if (text.includes("_p") || text.includes("\\u00")) checkKeys(data);
  return [];
}

/** Throws if {@link checkKey} refuses any key in `data`. The depth has been checked before. */
function checkKeys(data: unknown): void {
  if (typeof data !== "object" || data === null) return;
  for (const [key, member] of Object.entries(data)) {
    checkKey(key, member);
    checkKeys(member);
  }
}

/**
 * Returns the place of each attachment, by its number.
 *
 * Every number from 0 to `attachments - 1` must occur once. A number used twice would multiply the
 * attachment's bytes when the packet is broadcast. A missing one would hold bytes that nobody
 * reads.
 */
function findPlaceholders(data: unknown, attachments: number): readonly Placeholder[] {
  const places = new Array<Placeholder | undefined>(attachments).fill(undefined);
  walk(data, places);
  const found = places.filter((place) => place !== undefined);
  if (found.length !== attachments) {
    throw new FailureError("CODEC_BAD_SHAPE", "an attachment without its placeholder");
  }
  return found;
}

function walk(data: unknown, places: (Placeholder | undefined)[]): void {
  if (typeof data !== "object" || data === null) return;
  // JSON.parse creates plain objects and arrays only; both are read and written by key.
  const holder = data as Record<PropertyKey, unknown>;
  for (const [key, member] of Object.entries(holder)) {
    checkKey(key, member);
    if (isPlaceholder(member)) place(places, member.num, { holder, key });
    else walk(member, places);
  }
}

function place(places: (Placeholder | undefined)[], num: unknown, at: Placeholder): void {
  const free = typeof num === "number" && Number.isInteger(num) && num >= 0 && num < places.length;
  if (!free || places[num] !== undefined) {
    throw new FailureError("CODEC_BAD_SHAPE", "a placeholder without its attachment");
  }
  places[num] = at;
}

function isPlaceholder(value: unknown): value is { readonly num?: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    "_placeholder" in value &&
    value._placeholder === true
  );
}

/**
 * Adds the next attachment, copied unless its bytes are lasting. Returns the packet once it is
 * complete.
 */
export type TakeAttachment = (bytes: Buffer, lasting: boolean) => Packet | undefined;

/**
 * Returns a function that takes the attachments of one packet in the order in which they arrive.
 *
 * It throws CODEC_TOO_LARGE once the text of `textBytes` and its attachments together exceed
 * `packetBytesMax`, because a client can hold the memory of an incomplete packet for any time.
 */
export function awaitAttachments(
  { packet, places }: DecodedText,
  textBytes: number,
  packetBytesMax: number,
): TakeAttachment {
  let next = 0;
  let held = textBytes;
  return (bytes, lasting) => {
    const place = places[next];
    if (!place) throw new FailureError("CODEC_BAD_SHAPE", "an attachment of no packet");
    held += bytes.length;
    if (held > packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
    place.holder[place.key] = lasting ? bytes : Buffer.from(bytes);
    next += 1;
    return next < places.length ? undefined : packet;
  };
}
