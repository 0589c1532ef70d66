import { fromTaggedJson, writeTaggedJson } from "../core/value.ts";

/** A socket that other nodes speak for when this one dies. */
export interface LeasedSocket {
  readonly id: string;
  readonly namespace: string;
  readonly userId?: string | undefined;
  readonly data?: unknown;
  /** The order of the call whose answer changed the socket last. */
  readonly version?: number | undefined;
  readonly rooms?: readonly string[] | undefined;
}

/** A socket's rooms are written down up to this size, and its data where nothing is said. */
const PART_CHARS_MAX = 4096;

/** Returns the name of a socket's record. */
export function recordName({ namespace, id }: Pick<LeasedSocket, "id" | "namespace">): string {
  return `${namespace},${id}`;
}

/**
 * Returns a socket as it is written down: without its data if they take more than `dataCharsMax` or
 * cannot be written, without its rooms if these take too much.
 */
export function writeRecord(socket: LeasedSocket, dataCharsMax = PART_CHARS_MAX): string {
  const { id, namespace, userId, version } = socket;
  const parts = [JSON.stringify({ id, namespace, userId, version }).slice(1, -1)];
  const data = write(socket.data, dataCharsMax);
  if (data !== undefined) parts.push(`"data":${data}`);
  const rooms = write(socket.rooms, PART_CHARS_MAX);
  if (rooms !== undefined) parts.push(`"rooms":${rooms}`);
  return `{${parts.join()}}`;
}

function write(value: unknown, charsMax: number): string | undefined {
  try {
    const text: string | undefined = writeTaggedJson(value);
    return text !== undefined && text.length <= charsMax ? text : undefined;
  } catch {
    // A bigint, or data that holds itself.
    return undefined;
  }
}

/** Returns a socket as a node wrote it down; whoever can write to Redis can write anything. */
export function readRecord(text: string): LeasedSocket | undefined {
  try {
    const { id, namespace, userId, data, version, rooms } = JSON.parse(text) as Json;
    if (typeof id !== "string" || typeof namespace !== "string") return undefined;
    return {
      ...{ id, namespace, data: fromTaggedJson(data) },
      ...(typeof userId === "string" && { userId }),
      ...(typeof version === "number" && { version }),
      ...(areTexts(rooms) && { rooms }),
    };
  } catch {
    return undefined;
  }
}

type Json = Record<string, unknown>;

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
