/** The state that functions keep with a socket: its `data`, and which answer changed it last. */
import { isBytes } from "./bytes.ts";
import type { CallSocket, RoomChange, StateAnswer } from "./call.ts";
import { isRecord } from "./tagged-json.ts";
import { replaceUnsendable, writeTaggedJson } from "./value.ts";

/** Whatever has a `data`: a socket, or what is known of one. */
export interface Stateful {
  data: unknown;
}

type Members = Record<string, unknown>;

/**
 * What became of the state in an answer. `old`: a later call's answer has changed the socket
 * already, so nothing was done. `too_large`: the data would be, so nothing was done.
 */
export type PatchOutcome = "done" | "old" | "too_large";

/** What the calls of one socket show, and their answers change. */
export interface SocketState {
  /** The socket at this moment; after its end, as it was last. */
  describe(): Pick<CallSocket, "userId" | "data" | "version">;
  /** Its rooms but for the one named by its id; after its end, those it was in. */
  rooms(): readonly string[];
  /** Does what the answer to a call says about the socket; for `order` see {@link PatchLimits}. */
  update(answer: StateAnswer, order: number): Updated;
}

/** What became of the state in an answer. */
export interface Updated {
  readonly outcome: PatchOutcome;
  /** Resolves when the socket is in the rooms that it joins. */
  readonly moved?: Promise<unknown> | undefined;
}

/** Where an answer's call is among those of its socket, and how large the data may become. */
export interface PatchLimits {
  /** When the call was made, in microseconds since 1970; no two of a socket have the same. */
  readonly order: number;
  readonly bytesMax: number;
}

// Beside the data and not in them: handlers would see it, and functions could change it. Sessions
// carry the data of a socket that is gone, so the version is found again with them.
const versions = new WeakMap<object, number>();

/** Who wants to know when an answer has changed data. */
const followers = new WeakMap<object, () => void>();

/** Calls `changed` each time an answer has changed these data. One caller each. */
export function followData(data: unknown, changed: () => void): void {
  if (isRecord(data)) followers.set(data, changed);
}

/** Returns the `order` of the call whose answer changed these data last; 0 if none has. */
export function versionOf(data: unknown): number {
  return isRecord(data) ? (versions.get(data) ?? 0) : 0;
}

/**
 * Returns the version of a socket's data, and gives it to them. A handler may have put other data
 * in their place: to the answers that come they are no older.
 */
export function keepVersion(socket: Stateful): number {
  const version = Math.max(versions.get(socket) ?? 0, versionOf(socket.data));
  if (isRecord(socket.data)) setVersion(socket.data, version);
  return version;
}

/** Gives data that were read from elsewhere the version that they had there. */
export function setVersion(data: object, version: number): void {
  if (version > 0) versions.set(data, version);
}

/**
 * Applies an answer's `data` to a socket's, as RFC 7396 says, unless a later call's answer was
 * applied before. The objects that are there are changed in place, so handlers that hold them see
 * it. Data above `bytesMax` may still shrink.
 */
export function patchData(
  socket: Stateful,
  { data: patch, rooms }: StateAnswer,
  { order, bytesMax }: PatchLimits,
): PatchOutcome {
  if (patch === undefined && rooms === undefined) return "done";
  if (order <= keepVersion(socket)) return "old";
  if (patch !== undefined) {
    const bytes = sizeOf(merge(socket.data, patch, copyOf));
    if (bytes > bytesMax && bytes > sizeOf(socket.data)) return "too_large";
    try {
      socket.data = merge(socket.data, patch, inPlace);
    } catch {
      // A handler has made a member read-only.
      socket.data = merge(socket.data, patch, copyOf);
    }
  }
  versions.set(socket, order);
  keepVersion(socket);
  if (isRecord(socket.data)) followers.get(socket.data)?.();
  return "done";
}

/** Returns what `begin` makes of a value, with a patch applied to it. */
function merge(value: unknown, patch: Readonly<Members>, begin: (value: unknown) => Members) {
  const into = begin(value);
  for (const [key, one] of Object.entries(patch)) {
    if (one === null) delete into[key];
    else put(into, key, isMembers(one) ? merge(ownOf(into, key), one, begin) : one);
  }
  return into;
}

/** Of `constructor` and the like, an object has what it has not been given. */
function ownOf(holder: Members, key: string): unknown {
  return Object.hasOwn(holder, key) ? holder[key] : undefined;
}

/** An assignment could call a setter of the prototype, or fail where the prototype is frozen. */
function put(holder: Members, key: string, value: unknown): void {
  Object.defineProperty(holder, key, {
    ...{ value, writable: true, enumerable: true, configurable: true },
  });
}

/** Whether functions see an object with members: no list, no bytes, nothing with a `toJSON`. */
function isMembers(value: unknown): value is Members {
  return isRecord(value) && !isBytes(value) && typeof value.toJSON !== "function";
}

function copyOf(value: unknown): Members {
  return isMembers(value) ? { ...value } : {};
}

/** Returns an object itself, but a copy of one with a class of its own, or that is frozen. */
function inPlace(value: unknown): Members {
  if (!isMembers(value) || !Object.isExtensible(value)) return copyOf(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? value : copyOf(value);
}

/** Returns the bytes that data take in a call. */
export function sizeOf(data: unknown): number {
  return Buffer.byteLength(textOf(data));
}

function textOf(data: unknown): string {
  try {
    return writeTaggedJson(data) ?? "";
  } catch {
    // A bigint, or what holds itself: functions are shown why it is missing.
    return writeTaggedJson(isRecord(data) ? replaceUnsendable(data, writeTaggedJson) : {});
  }
}

/** Whether a merge patch would change what functions see of data. */
export function changesData(data: unknown, patch: Readonly<Members>): boolean {
  return textOf(merge(data, patch, copyOf)) !== textOf(data);
}

/** Returns the rooms that an answer has its socket leave and then join. */
export function readRoomChange(rooms: StateAnswer["rooms"] = []): Rooms {
  if (isList(rooms)) return { leave: [], join: rooms };
  return { leave: rooms.leave ?? [], join: rooms.join ?? [] };
}

/** Rooms that a socket leaves and joins. */
type Rooms = { readonly [Key in keyof RoomChange]-?: readonly string[] };

// The compiler does not take lists that cannot be changed for what Array.isArray finds.
function isList(rooms: readonly string[] | RoomChange): rooms is readonly string[] {
  return Array.isArray(rooms);
}

/** What is known of a socket that is not here. */
export interface KnownSocket extends Pick<CallSocket, "userId" | "version" | "rooms"> {
  readonly data?: unknown;
}

/** Returns the state of a socket that is not here, for the calls that are still made of it. */
export function keepState(known: KnownSocket, bytesMax: number): SocketState {
  const holder: Stateful = { data: known.data };
  if (isRecord(known.data)) setVersion(known.data, known.version ?? 0);
  return {
    describe: () => ({
      userId: known.userId,
      data: holder.data,
      version: keepVersion(holder) || undefined,
    }),
    rooms: () => known.rooms ?? [],
    update: (answer, order) => ({ outcome: patchData(holder, answer, { order, bytesMax }) }),
  };
}
