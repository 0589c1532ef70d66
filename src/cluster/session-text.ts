import { decode, encode } from "@msgpack/msgpack";
import type { Seal } from "./seal.ts";

/** What a client gets back when it returns. */
export interface Session {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly (string | number)[];
  readonly data: object;
}

/** A socket's session as Socket.IO knows it. */
export interface LiveSession {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** What is left out is not there when a session is read: as JSON does it. */
const WRITING = { ignoreUndefined: true } as const;

/**
 * Returns a session as Redis keeps it: a line with the socket's id, one with the signature if there is
 * a key, and the rest. Undefined for what cannot be written: functions, cycles, bigints, more than
 * `bytesMax`.
 *
 * Rooms that are no texts or numbers are left out: no other node could be told of them.
 */
export function writeSession(
  { sid, pid, rooms, data }: LiveSession,
  seal: Seal,
  bytesMax: number,
): string | undefined {
  const known = rooms.filter((room) => typeof room === "string" || typeof room === "number");
  let body: string;
  try {
    const bytes = encode({ sid, pid, rooms: known, data }, WRITING);
    body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  } catch {
    return undefined;
  }
  if (body.length > bytesMax) return undefined;
  const { mac = "" }: { session: string; mac?: string } = seal.sign({ session: body });
  return `${sid}\n${mac}\n${body}`;
}

/** Returns the session of a text; undefined when it is none of ours, or not that of `pid`. */
export function readSession(text: string, pid: string, seal: Seal): Session | undefined {
  const [sid, mac, body] = text.split("\n");
  if (body === undefined || !seal.isSigned({ session: body, mac })) return undefined;
  let found: unknown;
  try {
    found = decode(Buffer.from(body, "base64"));
  } catch {
    return undefined;
  }
  return isSession(found) && found.sid === sid && found.pid === pid ? found : undefined;
}

function isSession(found: unknown): found is Session {
  if (typeof found !== "object" || found === null) return false;
  const { sid, pid, rooms, data } = found as Record<string, unknown>;
  if (typeof sid !== "string" || typeof pid !== "string" || !Array.isArray(rooms)) return false;
  if (typeof data !== "object" || data === null || Array.isArray(data)) return false;
  return rooms.every((room) => typeof room === "string" || typeof room === "number");
}
