import { decode, encode } from "@msgpack/msgpack";
import { isBytes } from "../core/bytes.ts";
import type { Move, Recipients } from "../core/membership.ts";
import { RESERVED_EVENTS } from "../core/packet.ts";
import type { PatchLimits } from "../core/socket-state.ts";
import { replaceUnsendable } from "../core/value.ts";
import { EVERYONE, roomChannel } from "./log/event-log.ts";

/** The recipients of a broadcast, and the flags with which it is delivered. */
export interface Address extends Recipients {
  readonly flags?: Flags | undefined;
}

interface Flags {
  readonly volatile?: boolean | undefined;
  readonly compress?: boolean | undefined;
  readonly timeout?: number | undefined;
}

/** A broadcast: the event's name and arguments. */
export interface Broadcast {
  readonly do: "emit";
  readonly to: Address;
  readonly data: unknown[];
  /** The packet's id, if a socket of the node that sends it acknowledges it. */
  readonly id?: number | undefined;
}

/** A join, leave or disconnect of sockets; `close` ends their connections, too. */
export interface SocketsMove extends Move {
  readonly to: Address;
  readonly close?: boolean | undefined;
}

/** What an answer changes about the data of a socket, or of a session that is lost. */
export interface StatePatch {
  readonly do: "patch";
  /** The room of the socket's id. */
  readonly to: Address;
  /** A merge patch; with nothing in it, the version alone. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly limits: PatchLimits;
}

/** What the log of a namespace holds. */
export type LogMessage = Broadcast | SocketsMove | StatePatch;

/** What nodes tell each other beside the log. Requests are numbered by the node that asks. */
export type Told =
  | { readonly do: "serverEmit"; readonly data: unknown[]; readonly request?: number | undefined }
  | { readonly do: "fetch"; readonly to: Address; readonly request: number }
  | {
      readonly do: "ask";
      readonly to: Address;
      readonly data: unknown[];
      readonly request: number;
    }
  | { readonly do: "count"; readonly rooms: readonly string[]; readonly request: number }
  | { readonly do: "answer"; readonly request: number; readonly answer: Answer };

/** An answer to a request: sockets, sizes of rooms, a value, or how many will acknowledge. */
export type Answer =
  | { readonly sockets: readonly object[] }
  | { readonly counts: readonly number[] }
  | { readonly value: unknown }
  | { readonly count: number };

/** Events of a server of which Socket.IO itself is the only emitter. */
export const OWN_EVENTS: ReadonlySet<unknown> = new Set(["connect", "connection", "new_namespace"]);
const MOVES: ReadonlySet<unknown> = new Set(["join", "leave", "disconnect"]);
const BRACKET = 0x5b;
const HALF = /\p{Surrogate}/u;
/** Nobody is in this room: who is addressed by rooms of another node alone is not here. */
const ELSEWHERE = Symbol("a room of another node");

/**
 * Whether other nodes can be told of a room. Any other value names a room of this node alone. So
 * does a text with half a surrogate pair: UTF-8 has none, and two such rooms would become one.
 */
export function isRoom(room: unknown): room is string | number {
  return typeof room === "string" ? !HALF.test(room) : Number.isFinite(room);
}

/** Returns the channels of who may be addressed, and whether all rooms have one. */
export function channelsOf({ rooms }: Recipients): { channels: string[]; all: boolean } {
  if (rooms.size === 0) return { channels: [EVERYONE], all: true };
  const channels: string[] = [];
  for (const room of rooms) if (isRoom(room)) channels.push(roomChannel(room));
  return { channels, all: channels.length === rooms.size };
}

/** Returns the body of an entry. Throws if the arguments cannot be sent: a bigint, a cycle. */
export function writeLogMessage(message: LogMessage): Uint8Array {
  const to = listAddress(message.to);
  if (message.do === "patch") {
    const { data, limits } = message;
    return write([message.do, to, [data], [limits.order, limits.bytesMax]], data);
  }
  if (message.do !== "emit") {
    return textOf([message.do, to, message.rooms.filter(isRoom), message.close]);
  }
  const { data, id } = message;
  return write([message.do, to, data, id], data);
}

/** Returns the message of an entry; undefined if no node writes such a body. */
export function readLogMessage(body: Uint8Array): LogMessage | undefined {
  const [what, address, list, more] = readList(body);
  const to = readAddress(address);
  if (!to || !Array.isArray(list)) return undefined;
  if (what === "emit") {
    if (!isEvent(list) || !isMissing(more, "number")) return undefined;
    return { do: what, to, data: list, ...(typeof more === "number" && { id: more }) };
  }
  if (what === "patch") return readPatch(to, list, more);
  if (!isMove(what) || !list.every(isRoom) || !isMissing(more, "boolean")) return undefined;
  return { do: what, to, rooms: list, close: more === true };
}

function readPatch(to: Address, [data]: unknown[], limits: unknown): StatePatch | undefined {
  if (!isObject(data) || !Array.isArray(limits)) return undefined;
  const [order, bytesMax] = limits;
  if (!Number.isSafeInteger(order) || !Number.isSafeInteger(bytesMax)) return undefined;
  return { do: "patch", to, data, limits: { order, bytesMax } };
}

/**
 * Returns what reads a message as it was written. It is carried out later, when what its arguments
 * hold may have been changed by who sent it: those are read from its body then.
 */
export function keepMessage(message: LogMessage, body: Uint8Array): () => LogMessage {
  if (message.do !== "emit" || !message.data.some(isChangeable)) return () => message;
  return () => {
    const written = readLogMessage(body);
    return written?.do === "emit" ? { ...message, data: written.data } : message;
  };
}

/** Returns arguments that nobody will change; themselves if they cannot be sent. */
export function keepArguments(data: unknown[]): unknown[] {
  if (!data.some(isChangeable)) return data;
  try {
    return readList(write(data));
  } catch {
    return data;
  }
}

function isChangeable(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Returns the body of what is told. Throws if a value cannot be sent. */
export function writeTold(told: Told): Uint8Array {
  if (told.do === "answer") return write([told.do, told.request, told.answer]);
  if (told.do === "count") return write([told.do, told.request, told.rooms]);
  const to = "to" in told ? listAddress(told.to) : undefined;
  return write([told.do, told.request, to, "data" in told ? told.data : undefined]);
}

/** Returns what was told; undefined if no node writes such a body. */
export function readTold(body: Uint8Array): Told | undefined {
  const [what, request, given, data] = readList(body);
  if (what === "serverEmit" && isMissing(request, "number")) {
    if (!Array.isArray(data) || OWN_EVENTS.has(data[0])) return undefined;
    return { do: what, data, request: typeof request === "number" ? request : undefined };
  }
  if (typeof request !== "number") return undefined;
  if (what === "answer") {
    return isAnswer(given) ? { do: what, request, answer: given } : undefined;
  }
  if (what === "count") {
    const isList = Array.isArray(given) && given.every((room) => typeof room === "string");
    return isList ? { do: what, rooms: given, request } : undefined;
  }
  const to = readAddress(given);
  if (!to) return undefined;
  if (what === "fetch") return { do: what, to, request };
  return what === "ask" && isEvent(data) ? { do: what, to, data, request } : undefined;
}

/** Returns what other nodes are told of a socket. */
export function showSocket(socket: {
  readonly id: string;
  readonly handshake: object;
  readonly rooms: Iterable<unknown>;
  readonly data: unknown;
}): object {
  const { id, handshake, rooms, data } = socket;
  // What express-session adds may hold itself.
  const { sessionStore: _, ...rest } = handshake as { readonly sessionStore?: unknown };
  return { id, handshake: rest, rooms: [...rooms].filter(isRoom), data };
}

/**
 * Returns an answer with an `Unsendable` for each part that `writePart` throws for: a function or a
 * timer in one socket's `data` must not keep the others from being told of.
 */
export function withoutUnfit(
  answer: Answer,
  writePart: (value: unknown) => unknown = write,
): Answer {
  if (!("sockets" in answer)) return replaceUnsendable(answer, writePart);
  return { sockets: answer.sockets.map((each) => replaceUnsendable(each, writePart)) };
}

/**
 * JSON is faster, and calls `toJSON` as clients' codecs do. Msgpack carries bytes, which only
 * `given` may hold.
 */
function write(value: unknown, given = value): Uint8Array {
  return hasBytes(given) ? encode(value, { ignoreUndefined: true }) : textOf(value);
}

function textOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function readList(body: Uint8Array): unknown[] {
  try {
    // Of a Buffer, its bytes are Buffers as well, for which some codecs have a form of their own.
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const found: unknown = bytes[0] === BRACKET ? JSON.parse(bytes.toString()) : decode(bytes);
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

function hasBytes(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isBytes(value)) return true;
  if (Array.isArray(value)) return value.some(hasBytes);
  for (const key in value) {
    // `for…in` gave this key.
    if (Object.hasOwn(value, key) && hasBytes((value as Record<string, unknown>)[key])) return true;
  }
  return false;
}

function listAddress({ rooms, except, flags }: Address): unknown[] {
  const { volatile, compress, timeout } = flags ?? {};
  const listed = [...rooms].filter(isRoom);
  // No rooms are everyone: rooms of which others cannot be told are nobody there.
  const told = listed.length > 0 || rooms.size === 0 ? listed : null;
  return [told, [...(except ?? [])].filter(isRoom), { volatile, compress, timeout }];
}

function readAddress(found: unknown): Address | undefined {
  if (!Array.isArray(found)) return undefined;
  const [rooms, except, flags] = found;
  const known = rooms === null ? [ELSEWHERE] : rooms;
  if (rooms !== null && !isRoomList(rooms)) return undefined;
  if (!Array.isArray(known) || !isRoomList(except) || !isFlags(flags)) return undefined;
  return { rooms: new Set<unknown>(known), except: new Set(except), flags };
}

/** Whether a value is a list of rooms of which nodes can tell each other. */
export function isRoomList(value: unknown): value is (string | number)[] {
  return Array.isArray(value) && value.every(isRoom);
}

function isFlags(value: unknown): value is Flags {
  if (!isObject(value)) return false;
  const { volatile, compress, timeout } = value;
  return (
    isMissing(volatile, "boolean") && isMissing(compress, "boolean") && isMissing(timeout, "number")
  );
}

/** Whether an event that a server may emit: of no other may a listener hear. */
export function isEvent(data: unknown): data is unknown[] {
  return Array.isArray(data) && typeof data[0] === "string" && !RESERVED_EVENTS.has(data[0]);
}

function isMove(what: unknown): what is Move["do"] {
  return MOVES.has(what);
}

function isAnswer(found: unknown): found is Answer {
  if (!isObject(found)) return false;
  if ("counts" in found) {
    return Array.isArray(found.counts) && found.counts.every(Number.isSafeInteger);
  }
  if ("sockets" in found) return Array.isArray(found.sockets) && found.sockets.every(isSocket);
  return typeof found.count === "number" || !("count" in found);
}

function isSocket(found: unknown): boolean {
  return isObject(found) && typeof found.id === "string" && Array.isArray(found.rooms);
}

/** Whether an optional member has its type, or is missing: null in JSON and msgpack. */
function isMissing(value: unknown, type: "number" | "boolean"): boolean {
  return value === undefined || value === null || typeof value === type;
}

/** Whether a value is an object, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
