import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { FailureError, messageOf } from "../core/failures.ts";
import type { ThrottledLog } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";

/** Clocks, the log, and a callback for metrics. */
export interface KeySetNeeds {
  /** Wall clock in milliseconds, because tokens carry dates. */
  now(): number;
  /** Monotonic clock in milliseconds: setting the wall clock must not change the age of keys. */
  ticks(): number;
  readonly log: ThrottledLog;
  /** Called after every fetch of the key set. */
  fetched(result: "answered" | "failed"): void;
}

/** Finds the key of a token. Rejects with AUTH_UNAVAILABLE if the key set cannot be fetched. */
export type KeySet = JWTVerifyGetKey;

/** Keys that one set may hold, because each token's key is searched among them. */
const KEYS_MAX = 100;
/** Least time between two fetches after a failed one, whatever the number of clients. */
const RETRY_MS = 1000;

/**
 * Returns the keys behind a URL. The size of the response and the number of keys are bounded, and
 * redirects are not followed.
 *
 * The set is fetched again when it is `jwksCacheMs` old. It is also fetched when a key is missing,
 * but no sooner than `jwksCooldownMs` after the last fetch.
 *
 * While fetches fail, the old set is used for `jwksStaleMs` more, and no client waits for a fetch.
 * A missing key is then AUTH_UNAVAILABLE, because it may be a new one. After that time every key
 * is.
 */
export function createKeySet(url: URL, settings: Settings["auth"], needs: KeySetNeeds): KeySet {
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
      needs.log("error", "jwks", { component: "door", why: reasonOf(cause) }, FAILED);
    }
    endedAt = needs.ticks();
    running = undefined;
  }

  /** Fetches the set, unless the last fetch ended within `restMs`. Concurrent callers share one. */
  function fetchOnce(restMs: number): Promise<void> | undefined {
    if (!running && needs.ticks() - endedAt >= restMs) running = renew();
    return running;
  }

  function current(): KeySet {
    if (good && age() < jwksCacheMs + jwksStaleMs) return good.find;
    throw new FailureError("AUTH_UNAVAILABLE", undefined, { cause: failed?.cause });
  }

  return async (header, token) => {
    const due = age() >= jwksCacheMs ? fetchOnce(RETRY_MS) : undefined;
    if (!failed || age() >= jwksCacheMs + jwksStaleMs) await due;
    try {
      return await current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await fetchOnce(failed ? RETRY_MS : jwksCooldownMs);
      if (failed) throw new FailureError("AUTH_UNAVAILABLE", undefined, failed);
      return await current()(header, token);
    }
  };
}

const FAILED = "the key set cannot be fetched";

async function fetchSet(
  url: URL,
  { jwksTimeoutMs, jwksBytesMax }: Settings["auth"],
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

/** Returns why a fetch failed. The error of fetch() itself has the reason only in its cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown }; // nothing above throws null or undefined
  return messageOf(cause instanceof Error ? cause : error);
}
