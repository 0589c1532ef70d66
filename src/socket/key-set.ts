import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { FailureError } from "../core/failures.ts";
import { messageOf } from "../core/message-of.ts";
import type { Settings } from "../core/settings.ts";
import type { ThrottledLog } from "../core/throttle.ts";

/** What the check of tokens needs of the world. */
export interface KeySetNeeds {
  /** Wall clock in milliseconds: tokens carry dates. */
  now(): number;
  /** Monotonic clock in milliseconds: a wall clock that is set must not make keys old or young. */
  ticks(): number;
  readonly log: ThrottledLog;
  /** Told of every fetch of the key set. */
  fetched(result: "answered" | "failed"): void;
}

/** Finds the key of a token; rejects with AUTH_UNAVAILABLE where it cannot know. */
export type KeySet = JWTVerifyGetKey;

type JwksSettings = Pick<
  Settings["auth"],
  "jwksCacheMs" | "jwksStaleMs" | "jwksCooldownMs" | "jwksTimeoutMs" | "jwksBytesMax"
>;

/** Keys one set may hold: each named key costs a look. */
const KEYS_MAX = 100;
/** A URL that fails is asked at most this often, however many clients knock. */
const RETRY_MS = 1000;

/**
 * Returns the keys behind a URL. Of it is believed no more than a bounded size and number of keys,
 * and no redirect.
 *
 * The set is fetched again when it is `jwksCacheMs` old, and for a key that it lacks, but no sooner
 * than `jwksCooldownMs` after the last time. While the URL fails it is used for `jwksStaleMs` more,
 * and nobody waits for it; a key that it lacks is then AUTH_UNAVAILABLE, since it may be a new one,
 * and so is every key later.
 */
export function createKeySet(url: URL, settings: JwksSettings, needs: KeySetNeeds): KeySet {
  const { jwksCacheMs, jwksStaleMs, jwksCooldownMs } = settings;
  let good: { readonly find: KeySet; readonly at: number } | undefined;
  let failed: { readonly cause: unknown } | undefined;
  let endedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  const age = () => (good ? needs.ticks() - good.at : Number.POSITIVE_INFINITY);

  async function renew(): Promise<void> {
    try {
      const set = await fetchSet(url, settings);
      good = { find: createLocalJWKSet(set), at: needs.ticks() };
      failed = undefined;
      needs.fetched("answered");
    } catch (cause) {
      failed = { cause };
      needs.fetched("failed");
      needs.log("error", "jwks", { room: "socket", why: inWords(cause) }, FAILED);
    }
    endedAt = needs.ticks();
    running = undefined;
  }

  /** Asks the URL, with all who want to at this time, unless that was done a moment ago. */
  function ask(restMs: number): Promise<void> | undefined {
    if (!running && needs.ticks() - endedAt >= restMs) running = renew();
    return running;
  }

  function current(): KeySet {
    if (good && age() < jwksCacheMs + jwksStaleMs) return good.find;
    throw new FailureError("AUTH_UNAVAILABLE", undefined, { cause: failed?.cause });
  }

  return async (header, token) => {
    const due = age() >= jwksCacheMs ? ask(RETRY_MS) : undefined;
    if (!failed || age() >= jwksCacheMs + jwksStaleMs) await due;
    try {
      return await current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await ask(failed ? RETRY_MS : jwksCooldownMs);
      if (failed) throw new FailureError("AUTH_UNAVAILABLE", undefined, failed);
      return await current()(header, token);
    }
  };
}

const FAILED = "the key set cannot be fetched";

async function fetchSet(
  url: URL,
  { jwksTimeoutMs, jwksBytesMax }: JwksSettings,
): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "error",
    signal: AbortSignal.timeout(jwksTimeoutMs),
  });
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  const set: unknown = JSON.parse(await readText(response, jwksBytesMax));
  const keys = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("is not a JSON Web Key Set");
  if (keys.length > KEYS_MAX) throw new Error(`holds more than ${KEYS_MAX} keys`);
  return { keys };
}

async function readText(response: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > bytesMax) throw new Error("is larger than auth.jwksBytesMax");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** What fetch() rejects with says why only in its cause. */
function inWords(error: unknown): string {
  const { cause } = error as { cause?: unknown }; // whatever was thrown, it is no null
  const one = cause instanceof Error ? cause : error;
  return messageOf(one);
}
