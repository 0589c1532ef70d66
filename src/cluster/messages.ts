import { encode } from "@msgpack/msgpack";
import { RESERVED_EVENTS } from "../core/packet.ts";
import { replaceUnsendable } from "../core/value.ts";

const BROADCAST = 3;
/** Types that address sockets: join, leave, disconnect, fetch. */
const ADDRESSED = new Set([4, 5, 6, 7]);
const SERVER_SIDE_EMIT = 9;
const TYPE_MAX = 13;
/** Events of a server of which Socket.IO itself is the only emitter. */
const OWN_EVENTS: ReadonlySet<unknown> = new Set(["connect", "connection", "new_namespace"]);

/**
 * Whether a message from the bus has the shape of its type (socket.io-adapter's `MessageType`).
 *
 * Whoever can write to Redis can write anything: what passes here cannot make a listener of
 * Socket.IO itself run, or throw where it is delivered.
 */
export function isBusMessage(message: unknown): boolean {
  if (!isObject(message)) return false;
  const { uid, type, data } = message;
  if (!Number.isInteger(type) || (type as number) < 1 || (type as number) > TYPE_MAX) return false;
  if (uid !== undefined && typeof uid !== "string") return false;
  if (type === BROADCAST) return isObject(data) && isPacket(data.packet) && isAddress(data.opts);
  if (ADDRESSED.has(type as number)) return isObject(data) && isAddress(data.opts);
  if (type === SERVER_SIDE_EMIT) {
    return isObject(data) && Array.isArray(data.packet) && !OWN_EVENTS.has(data.packet[0]);
  }
  return data === undefined || isObject(data);
}

/** Whether a request of the classic adapter, or an answer to one, has a shape. */
export function isRequest(found: unknown): boolean {
  if (!isObject(found)) return false;
  const { opts, data } = found;
  if (opts !== undefined && !isAddress(opts)) return false;
  return !Array.isArray(data) || !OWN_EVENTS.has(data[0]);
}

/**
 * Returns a node's answer about its sockets, or about an acknowledgement, with an `Unsendable` for
 * each part that `write` throws for: a function or a timer in one socket's `data` must not keep the
 * others from being told of. Undefined for other answers.
 */
export function withoutUnfit(
  response: object,
  write: (value: unknown) => unknown = encode,
): object | undefined {
  const { data } = response as { data?: { sockets?: object[]; packet?: unknown } };
  if (!data) return undefined;
  if (!Array.isArray(data.sockets)) return { ...response, data: replaceUnsendable(data, write) };
  const sockets = data.sockets.map((each) => replaceUnsendable(each, write));
  return { ...response, data: { ...data, sockets } };
}

function isPacket(packet: unknown): boolean {
  if (!isObject(packet)) return false;
  const { type, nsp, data } = packet;
  // The sender's adapter writes the namespace after it has published.
  if (nsp !== undefined && typeof nsp !== "string") return false;
  if (type !== 2 || !Array.isArray(data)) return false;
  return typeof data[0] === "string" && !RESERVED_EVENTS.has(data[0]);
}

function isAddress(opts: unknown): boolean {
  if (!isObject(opts)) return false;
  const { rooms, except } = opts;
  return isRoomList(rooms) && (except === undefined || isRoomList(except));
}

/** Whether it names rooms as messages may: by texts and numbers. */
export function isRoomList(value: unknown): value is (string | number)[] {
  return Array.isArray(value) && value.every((room) => ["string", "number"].includes(typeof room));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
