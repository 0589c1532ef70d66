import { FailureError } from "../core/failures.ts";
import { type Packet, RESERVED_EVENTS } from "../core/packet.ts";

/**
 * How much of a packet is believed: the section `codec`, and the size from the section `socket`.
 */
export interface Limits {
  readonly depthMax: number;
  readonly elementsMax: number;
  readonly nameBytesMax: number;
  readonly attachmentsMax: number;
  readonly packetBytesMax: number;
}

/** How much of a CONNECT is believed, or of anything before one is answered. */
export interface ConnectBounds {
  readonly connectBytesMax: number;
  readonly connectElementsMax: number;
  readonly connectDepthMax: number;
}

/** Returns the limits of a CONNECT, which are never wider than those of other packets. */
export function limitConnect(limits: Limits & ConnectBounds): Limits {
  return {
    ...limits,
    packetBytesMax: Math.min(limits.packetBytesMax, limits.connectBytesMax),
    elementsMax: Math.min(limits.elementsMax, limits.connectElementsMax),
    depthMax: Math.min(limits.depthMax, limits.connectDepthMax),
  };
}

/** The packet types both codecs share; 5 and 6 exist in JSON text only. */
export const TYPE = {
  connect: 0,
  disconnect: 1,
  event: 2,
  ack: 3,
  connectError: 4,
  binaryEvent: 5,
  binaryAck: 6,
} as const;

/** Returns the type of a packet without regard to its attachments. */
export function plainType(type: number): number {
  return type === TYPE.binaryEvent ? TYPE.event : type === TYPE.binaryAck ? TYPE.ack : type;
}

const COMMA = 0x2c;

/** The parts of a packet as they were found on the wire. */
export interface Parts {
  readonly type: unknown;
  readonly nsp: unknown;
  readonly id: unknown;
  readonly data: unknown;
}

/**
 * Returns the packet that the parts make, or throws a {@link FailureError} that names what is
 * wrong.
 *
 * `null` counts as absent for `id`, and for the `data` of CONNECT and DISCONNECT: encoders of other
 * languages have no `undefined`. An event's name is a string or a number, as in Socket.IO's own
 * parser.
 */
export function checkPacket(limits: Limits, parts: Parts): Packet {
  const { type } = parts;
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > TYPE.connectError) {
    throw new FailureError("CODEC_BAD_SHAPE", "type is not one of 0 to 4");
  }
  const nsp = checkNamespace(limits, parts.nsp);
  const id = checkId(parts.id);
  return { type, nsp, data: checkData(limits, type, parts.data), id };
}

function checkNamespace(limits: Limits, nsp: unknown): string {
  if (nsp === "/") return nsp;
  if (typeof nsp !== "string" || !nsp.startsWith("/")) {
    throw new FailureError("CODEC_BAD_SHAPE", "namespace is not a path");
  }
  checkName(limits, nsp);
  for (let i = 0; i < nsp.length; i++) {
    const c = nsp.charCodeAt(i);
    // In JSON text a comma ends the namespace: with one in it, JSON clients could never join.
    if (c < 0x20 || c === 0x7f || c === COMMA) {
      throw new FailureError("CODEC_BAD_SHAPE", "namespace holds a control character or a comma");
    }
  }
  return nsp;
}

/** Throws unless the name fits `codec.nameBytesMax`. */
export function checkName(limits: Limits, name: string): void {
  // No UTF-16 unit needs more than three bytes of UTF-8, so most names need not be measured.
  if (name.length * 3 <= limits.nameBytesMax) return;
  if (name.length > limits.nameBytesMax || Buffer.byteLength(name) > limits.nameBytesMax) {
    throw new FailureError("CODEC_NAME_TOO_LONG");
  }
}

function checkId(id: unknown): number | undefined {
  if (id === undefined || id === null) return undefined;
  if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return id;
  throw new FailureError("CODEC_BAD_SHAPE", "id is not a whole number");
}

function checkData(limits: Limits, type: number, data: unknown): unknown {
  switch (type) {
    case TYPE.connect:
      if (data === undefined || data === null) return undefined;
      if (isPlainObject(data)) return data;
      break;
    case TYPE.disconnect:
      if (data === undefined || data === null) return undefined;
      break;
    case TYPE.connectError:
      if (typeof data === "string" || isPlainObject(data)) return data;
      break;
    case TYPE.ack:
      if (Array.isArray(data)) return data;
      break;
    default:
      if (Array.isArray(data)) return checkEvent(limits, data);
  }
  throw new FailureError("CODEC_BAD_SHAPE", "data does not fit the packet's type");
}

function checkEvent(limits: Limits, data: readonly unknown[]): readonly unknown[] {
  const name = data[0];
  if (typeof name === "string") {
    checkName(limits, name);
    if (RESERVED_EVENTS.has(name)) throw new FailureError("CODEC_RESERVED_EVENT");
  } else if (typeof name !== "number" || !Number.isFinite(name)) {
    throw new FailureError("CODEC_BAD_SHAPE", "event name is neither text nor a number");
  }
  return data;
}

function isPlainObject(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

/**
 * Throws for keys that no client has a use for: `__proto__` would become a prototype somewhere
 * behind us, and a placeholder that is not ours would make JSON recipients of a broadcast look for
 * an attachment that was never sent.
 */
export function checkKey(key: string, value: unknown): void {
  if (key === "__proto__") throw new FailureError("CODEC_BAD_SHAPE", "a key is __proto__");
  if (key === "_placeholder" && value === true) {
    throw new FailureError("CODEC_BAD_SHAPE", "a placeholder without its attachment");
  }
}
