import { isDeepStrictEqual } from "node:util";
import { FailureError } from "../../src/core/failures.ts";
import type { CodecName, Frame, Packet } from "../../src/core/packet.ts";
import { codecWith, settingsWith } from "../codec/kit.ts";
import { stockDecode } from "../codec/stock.ts";

const LIMITS = settingsWith();
const RESERVED = /^(connect|connect_error|disconnect|disconnecting|newListener|removeListener)$/;
const sender = codecWith();

/** Says what is wrong with an error that escaped: it must be typed, and foreseen. */
export function findWrongError(error: unknown): string | undefined {
  if (!(error instanceof FailureError)) return `an untyped error escaped: ${error}`;
  if (!error.code.startsWith("CODEC_")) return `the failure is not the codec's: ${error.code}`;
  return error.cause === undefined ? undefined : `an unforeseen error was caught: ${error.cause}`;
}

/** Says what is wrong with an accepted packet. */
export function findFault(packet: Packet, frames: readonly Frame[]): string | undefined {
  return (
    findBadShape(packet) ?? findBadData(packet.data) ?? differs(packet, frames) ?? harms(packet)
  );
}

function findBadShape({ type, nsp, id, data }: Packet): string | undefined {
  if (![0, 1, 2, 3, 4].includes(type)) return `type ${type}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  if (!/^\/[^\u0000-\u001f\u007f]*$/u.test(nsp)) return `namespace ${JSON.stringify(nsp)}`;
  if (Buffer.byteLength(nsp) > LIMITS.nameBytesMax) return "a long namespace";
  if (id !== undefined && !(Number.isSafeInteger(id) && id >= 0)) return `id ${id}`;
  if (type === 1 && data !== undefined) return "a DISCONNECT with data";
  if (type === 0 && data !== undefined && !isRecord(data)) return "a CONNECT without a record";
  if (type === 4 && typeof data !== "string" && !isRecord(data))
    return "a CONNECT_ERROR of neither";
  if ((type === 2 || type === 3) && !Array.isArray(data)) return "no list of arguments";
  return type === 2 ? findBadName((data as unknown[])[0]) : undefined; // a list, by the line above
}

function findBadName(name: unknown): string | undefined {
  if (typeof name === "number") return Number.isFinite(name) ? undefined : `event ${name}`;
  if (typeof name !== "string") return `an event named by ${typeof name}`;
  if (Buffer.byteLength(name) > LIMITS.nameBytesMax) return "a long event name";
  return RESERVED.test(name) ? `event ${name}` : undefined;
}

function isRecord(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function findBadData(data: unknown): string | undefined {
  let values = 0;
  let binaries = 0;
  const visit = (value: unknown, depth: number): string | undefined => {
    if (typeof value !== "object" || value === null || value instanceof Date) return undefined;
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      binaries += 1;
      return binaries > LIMITS.attachmentsMax ? `${binaries} binary values` : undefined;
    }
    if (depth > LIMITS.depthMax + 1) return `depth ${depth}`; // one more for an ext and its bytes
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== (Array.isArray(value) ? Array.prototype : Object.prototype))
      return "a prototype";
    for (const [key, member] of Object.entries(value)) {
      values += 1;
      if (key === "__proto__") return "a key __proto__";
      const fault = visit(member, depth + 1);
      if (fault) return fault;
    }
    return values > LIMITS.elementsMax ? `${values} values` : undefined;
  };
  return visit(data, 1);
}

/** What the official parser reads from the same frames must be the same, unless it refuses them. */
function differs(packet: Packet, frames: readonly Frame[]): string | undefined {
  let other: Packet;
  // White space after the header belongs to the JSON; the official parser takes it for an id of 0.
  if (typeof frames[0] === "string" && /^\d(\d+-)?(\/[^,]*,)?\d*\s/.test(frames[0]))
    return undefined;
  try {
    other = stockDecode(typeof frames[0] === "string" ? "json" : "msgpack", frames);
  } catch {
    return undefined;
  }
  const { type, nsp, data, id } = other;
  const same = isDeepStrictEqual(onWire(packet), onWire({ type, nsp, data, id }));
  return same ? undefined : "the official parser reads something else";
}

/** Sends the packet's arguments on to clients with the official parsers, who must take them. */
function harms({ type, nsp, data }: Packet): string | undefined {
  if (type !== 2 && type !== 3) return undefined;
  const frames = sender.encode({ type, nsp, data });
  for (const codec of ["msgpack", "json"] as const satisfies CodecName[]) {
    try {
      const seen = stockDecode(codec, frames.of(codec)).data;
      if (codec === "msgpack" && !isDeepStrictEqual(onWire(seen), onWire(data))) {
        return "sent on in msgpack it changes";
      }
    } catch (error) {
      return `sent on in ${codec} it breaks the recipient: ${error}`;
    }
  }
  return undefined;
}

/**
 * Equal where the wire is: an invalid Date is 1970, -0 is 0, half a surrogate pair is U+FFFD.
 */
function onWire(value: unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? new Date(0) : value;
  if (typeof value === "number") return value === 0 ? 0 : value;
  if (typeof value === "string") return wellFormed(value);
  if (Array.isArray(value)) return value.map(onWire);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, member]) => [wellFormed(key), onWire(member)]));
}

function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
