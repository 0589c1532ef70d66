import { FailureError } from "../core/failures.ts";
import { type CodecName, type Packet, RESERVED_EVENTS } from "../core/packet.ts";

/** Limits of one packet: settings of the section `codec`, and `socket.packetBytesMax`. */
export interface Limits {
  readonly depthMax: number;
  readonly elementsMax: number;
  readonly nameBytesMax: number;
  readonly attachmentsMax: number;
  readonly packetBytesMax: number;
}

/** The settings of the codec: limits of packets, and tighter ones until a CONNECT is answered. */
export interface CodecSettings extends Limits {
  readonly accept: "both" | CodecName;
  readonly connectBytesMax: number;
  readonly connectElementsMax: number;
  readonly connectDepthMax: number;
}

/** Returns the limits of a CONNECT, which are never wider than those of other packets. */
export function limitConnect(settings: CodecSettings): Limits {
  return {
    ...settings,
    packetBytesMax: Math.min(settings.packetBytesMax, settings.connectBytesMax),
    elementsMax: Math.min(settings.elementsMax, settings.connectElementsMax),
    depthMax: Math.min(settings.depthMax, settings.connectDepthMax),
  };
}

/** Packet types. Both codecs share 0 to 4; 5 and 6 exist in JSON text only. */
export const TYPE = {
  connect: 0,
  disconnect: 1,
  event: 2,
  ack: 3,
  connectError: 4,
  binaryEvent: 5,
  binaryAck: 6,
} as const;

/** Returns EVENT for BINARY_EVENT, ACK for BINARY_ACK, and other types as they are. */
export function plainType(type: number): number {
  return type === TYPE.binaryEvent ? TYPE.event : type === TYPE.binaryAck ? TYPE.ack : type;
}

const COMMA = 0x2c;

/**
 * Returns a valid packet from its fields as read from the wire. Throws a {@link FailureError} that
 * names what is wrong.
 *
 * `null` counts as absent for `id`, and for the `data` of CONNECT and DISCONNECT: encoders of other
 * languages have no `undefined`. An event's name is a string or a number, as in Socket.IO's own
 * parser.
 */
export function checkPacket(
  limits: Limits,
  fields: Readonly<Record<"type" | "nsp" | "id" | "data", unknown>>,
): Packet {
  const { type } = fields;
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > TYPE.connectError) {
    throw new FailureError("CODEC_BAD_SHAPE", "type is not one of 0 to 4");
  }
  const nsp = checkNamespace(limits, fields.nsp);
  const id = checkId(fields.id);
  return { type, nsp, data: checkData(limits, type, fields.data), id };
}

function checkNamespace(limits: Limits, nsp: unknown): string {
  if (nsp === "/") return nsp;
  if (typeof nsp !== "string" || !nsp.startsWith("/")) {
    throw new FailureError("CODEC_BAD_SHAPE", "namespace is not a path");
  }
  checkName(limits, nsp);
  for (let i = 0; i < nsp.length; i++) {
    const c = nsp.charCodeAt(i);
    // In JSON a comma ends the namespace, so JSON clients could never join one with a comma.
    if (c < 0x20 || c === 0x7f || c === COMMA) {
      throw new FailureError("CODEC_BAD_SHAPE", "namespace holds a control character or a comma");
    }
  }
  return nsp;
}

/** Throws unless the name fits `codec.nameBytesMax`. */
export function checkName(limits: Limits, name: string): void {
  // A UTF-16 unit takes at most three bytes of UTF-8, so most names need not be measured.
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
 * Throws for keys that would do harm. The application could take `__proto__` for a prototype. A
 * `_placeholder: true` from a client would make JSON recipients of a broadcast wait for an
 * attachment that is never sent.
 */
export function checkKey(key: string, value: unknown): void {
  if (key === "__proto__") throw new FailureError("CODEC_BAD_SHAPE", "a key is __proto__");
  if (key === "_placeholder" && value === true) {
    throw new FailureError("CODEC_BAD_SHAPE", "a placeholder without its attachment");
  }
}
