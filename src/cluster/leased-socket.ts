import { fromTaggedJson, toTaggedJson } from "../core/value.ts";

/** A socket that other nodes speak for when this one dies. */
export interface LeasedSocket {
  readonly id: string;
  readonly namespace: string;
  readonly userId?: string | undefined;
  readonly data?: unknown;
}

/** A socket's data is written down up to this size; above, it is told without. */
const RECORD_CHARS_MAX = 4096;

/** Returns the name of a socket's record. */
export function recordName({ namespace, id }: Pick<LeasedSocket, "id" | "namespace">): string {
  return `${namespace},${id}`;
}

/** Returns a socket as it is written down. */
export function writeRecord({ id, namespace, userId, data }: LeasedSocket): string {
  const bare = JSON.stringify({ id, namespace, userId });
  try {
    const full = JSON.stringify({ id, namespace, userId, data: toTaggedJson(data) });
    return full.length > RECORD_CHARS_MAX ? bare : full;
  } catch {
    // A bigint, or data that holds itself.
    return bare;
  }
}

/** Returns a socket as a node wrote it down; whoever can write to Redis can write anything. */
export function readRecord(text: string): LeasedSocket | undefined {
  try {
    const { id, namespace, userId, data } = JSON.parse(text) as Record<string, unknown>;
    if (typeof id !== "string" || typeof namespace !== "string") return undefined;
    const known = { id, namespace, data: fromTaggedJson(data) };
    return { ...known, ...(typeof userId === "string" && { userId }) };
  } catch {
    return undefined;
  }
}
