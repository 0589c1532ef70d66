import { createHash } from "node:crypto";
import { problemOf, type RouteResponse } from "../core/http.ts";
import type { Settings } from "../core/settings-shape.ts";

/** The responses that Idempotency-Keys repeat. */
export interface Idempotency {
  readonly settings: Pick<Settings["api"], "idempotencyMs" | "idempotencyBytesMax">;
  /** By caller and key. In the order in which they expire, because all are kept equally long. */
  readonly entries: Map<string, Entry>;
  /** Bytes that the keys and their responses take. */
  bytes: number;
  now(): number;
}

interface Entry {
  readonly name: string;
  readonly fingerprint: string;
  readonly until: number;
  running: Promise<RouteResponse>;
  isOver: boolean;
  bytes: number;
}

/** Bytes of an entry beyond its texts: a Map slot, three objects, a promise, a short response. */
const ENTRY_BYTES = 512;

/**
 * Returns an empty memory of responses. A response is kept for `idempotencyMs` from the start of
 * its request, and at least until that request is over.
 *
 * No response is dropped early to make room, because its retry would then be carried out twice.
 * Above `idempotencyBytesMax` new keys are refused instead. If only the response does not fit, its
 * key is kept, and retries get API_ANSWER_NOT_KEPT. Each node has its own memory: a retry that
 * reaches another node is a new request there.
 */
export function createIdempotency(
  settings: Idempotency["settings"],
  now: () => number,
): Idempotency {
  return { settings, entries: new Map(), bytes: 0, now };
}

/**
 * Runs `carryOut`, or repeats the response that the same request got before. If that request is
 * still being carried out, waits for its response. Responses of status 500 and above are not kept,
 * because the client should retry those.
 *
 * Requests are the same if all of `request` is equal. `caller` is the id of the grant, so keys of
 * different callers never meet. `media` is the format: the same bytes in another one are another
 * request.
 */
export async function carryOutOnce(
  kept: Idempotency,
  request: Readonly<Record<"caller" | "key" | "path" | "media", string>> & {
    readonly body: Buffer;
  },
  carryOut: () => Promise<RouteResponse>,
): Promise<
  | { readonly response: RouteResponse; readonly repeated: boolean }
  | { readonly refused: "API_KEY_REUSED" | "API_IDEMPOTENCY_FULL" }
> {
  sweep(kept);
  const name = JSON.stringify([request.caller, request.key]);
  const fingerprint = createHash("sha256")
    .update(`${request.path}\n${request.media}\n`)
    .update(request.body)
    .digest("base64");
  const known = kept.entries.get(name);
  if (known && known.fingerprint !== fingerprint) return { refused: "API_KEY_REUSED" };
  if (known) return { response: await known.running, repeated: true };
  const bytes = ENTRY_BYTES + name.length * 2;
  if (kept.bytes + bytes > kept.settings.idempotencyBytesMax) {
    return { refused: "API_IDEMPOTENCY_FULL" };
  }
  const until = kept.now() + kept.settings.idempotencyMs;
  const entry: Entry = { name, fingerprint, until, running: carryOut(), isOver: false, bytes };
  kept.entries.set(name, entry);
  kept.bytes += bytes;
  return { response: await settle(kept, entry), repeated: false };
}

/** Waits for the response of a new request, and decides whether it is kept. */
async function settle(kept: Idempotency, entry: Entry): Promise<RouteResponse> {
  try {
    const response = await entry.running;
    entry.isOver = true;
    if (response.status >= 500) forget(kept, entry);
    else if (kept.entries.get(entry.name) === entry) keep(kept, entry, response);
    return response;
  } catch (error) {
    forget(kept, entry);
    throw error;
  }
}

function keep(kept: Idempotency, entry: Entry, response: RouteResponse): void {
  const bytes = Buffer.byteLength(response.body ?? "");
  if (kept.bytes + bytes > kept.settings.idempotencyBytesMax) {
    entry.running = Promise.resolve(problemOf("API_ANSWER_NOT_KEPT"));
    return;
  }
  entry.bytes += bytes;
  kept.bytes += bytes;
}

/** Forgets the responses that have expired. */
function sweep(kept: Idempotency): void {
  const now = kept.now();
  for (const entry of kept.entries.values()) {
    if (entry.until > now) return;
    // A request that runs longer than that must stay: a retry would be carried out beside it.
    if (entry.isOver) forget(kept, entry);
  }
}

function forget(kept: Idempotency, entry: Entry): void {
  if (kept.entries.get(entry.name) !== entry) return;
  kept.entries.delete(entry.name);
  kept.bytes -= entry.bytes;
}
