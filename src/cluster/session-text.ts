import { decode, encode } from "@msgpack/msgpack";
import type { Membership } from "../core/membership.ts";
import { setVersion, versionOf } from "../core/socket-state.ts";
import { NOWHERE } from "./log/carrier.ts";
import { isRoom } from "./messages.ts";
import type { Seal } from "./seal.ts";

/** What a client gets back when it returns. The times of its rooms are places in the log. */
export interface Session extends Membership<string> {
  readonly sid: string;
  readonly pid: string;
  readonly data: object;
}

/** A socket's session as Socket.IO knows it. */
export interface LiveSession extends Partial<Membership> {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** What is left out is not there when a session is read: as JSON does it. */
const WRITING = { ignoreUndefined: true } as const;

/**
 * How a session's text is signed: for the name under which it is kept, which says its namespace.
 */
export interface Signing {
  readonly name: string;
  readonly seal: Seal;
}

/**
 * Returns a session as Redis keeps it: a line with the socket's id, one with the signature if there
 * is a key, and the rest. Undefined for what cannot be written: functions, cycles, bigints, more
 * than `bytesMax`; its changes of rooms are left out before that.
 *
 * Rooms that are no texts or numbers are left out: no other node could be told of them.
 */
export function writeSession(
  session: LiveSession,
  signing: Signing,
  bytesMax: number,
): string | undefined {
  const { since = NOWHERE, whole = true, changes = [] } = session;
  const last = changes.at(-1);
  const text = write(session, signing, { since, whole, changes });
  if (text === undefined || text.length <= bytesMax) return text;
  if (!last) return undefined;
  const short = write(session, signing, { since: last.at, whole: false, changes: [] });
  return short !== undefined && short.length <= bytesMax ? short : undefined;
}

function write(
  { sid, pid, rooms, data, undoneAt }: LiveSession,
  { name, seal }: Signing,
  { since, whole, changes }: Pick<Membership, "since" | "whole" | "changes">,
): string | undefined {
  const known = rooms.filter(isRoom);
  const moved = changes.filter(({ room }) => isRoom(room));
  let body: string;
  try {
    const version = versionOf(data) || undefined;
    const history = { since, whole, changes: moved, undoneAt };
    const session = { sid, pid, rooms: known, data, version, ...history };
    const bytes = encode(session, WRITING);
    body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  } catch {
    return undefined;
  }
  return `${sid}\n${seal.sign([name, body])}\n${body}`;
}

/**
 * Returns the session of a text; undefined when it is none of ours, not that of `pid`,
 * or, with a key, was signed for another name.
 */
export function readSession(
  text: string,
  pid: string,
  { name, seal }: Signing,
): Session | undefined {
  const [sid, mac, body] = text.split("\n");
  if (body === undefined || !seal.isSigned([name, body], mac)) return undefined;
  let found: unknown;
  try {
    found = decode(Buffer.from(body, "base64"));
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null) return undefined;
  // A node of an earlier version tells of its rooms alone.
  const session = { since: NOWHERE, whole: true, changes: [], ...found };
  if (!isSession(session) || session.sid !== sid || session.pid !== pid) return undefined;
  if (typeof session.version === "number") setVersion(session.data, session.version);
  return session;
}

function isSession(found: Partial<Record<string, unknown>>): found is Session & typeof found {
  const { sid, pid, rooms, data, since, whole, changes, undoneAt } = found;
  if (typeof sid !== "string" || typeof pid !== "string" || !Array.isArray(rooms)) return false;
  if (typeof data !== "object" || data === null || Array.isArray(data)) return false;
  if (typeof since !== "string" || typeof whole !== "boolean" || !Array.isArray(changes))
    return false;
  if (undoneAt !== undefined && typeof undoneAt !== "string") return false;
  return rooms.every(isRoom) && changes.every(isChange);
}

function isChange(found: unknown): boolean {
  if (typeof found !== "object" || found === null) return false;
  const { at, room, joined } = found as Record<string, unknown>;
  return typeof at === "string" && isRoom(room) && typeof joined === "boolean";
}
