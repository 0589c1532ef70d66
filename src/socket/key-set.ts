import { FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import type { ThrottledLog } from "../core/throttle.ts";

/** What the check of tokens needs of the world. */
export interface KeySetNeeds {
  /** Wall clock in milliseconds: tokens carry dates. */
  now(): number;
  readonly log: ThrottledLog;
  /** Told of every fetch of the key set. */
  fetched(result: "answered" | "failed"): void;
}

/** Keys one set may hold: each named key costs a look. */
const KEYS_MAX = 100;
/** A URL that fails is asked at most this often, however many clients knock. */
const RETRY_MS = 1000;

type KeySetFetch = (
  url: string,
  options: { headers: Headers; method: "GET"; redirect: "manual"; signal: AbortSignal },
) => Promise<Response>;

/**
 * Returns a fetch that bounds what a key-set URL can do to us: size, number of keys, no redirects.
 *
 * While the URL fails the last good set is served for up to `jwksStaleMs`, then AUTH_UNAVAILABLE is
 * thrown; either way the URL is asked again no sooner than after a second.
 */
export function createKeySetFetch(
  settings: Pick<Settings["auth"], "jwksBytesMax" | "jwksStaleMs">,
  needs: KeySetNeeds,
): KeySetFetch {
  let good: { readonly text: string; readonly at: number } | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  function fallBack(cause: unknown): Response {
    if (good && needs.now() - good.at <= settings.jwksStaleMs) return new Response(good.text);
    throw new FailureError("AUTH_UNAVAILABLE", undefined, { cause });
  }

  return async (url, options) => {
    if (needs.now() - failedAt < RETRY_MS) return fallBack(new Error("failed a moment ago"));
    try {
      const response = await fetch(url, { ...options, redirect: "error" });
      if (response.status !== 200) throw new Error(`answered ${response.status}`);
      const text = await readText(response, settings.jwksBytesMax);
      checkShape(text);
      good = { text, at: needs.now() };
      needs.fetched("answered");
      return new Response(text);
    } catch (cause) {
      failedAt = needs.now();
      needs.fetched("failed");
      const why = cause instanceof Error ? cause.message : String(cause);
      needs.log("error", "jwks", { room: "socket", why }, "the key set cannot be fetched");
      return fallBack(cause);
    }
  };
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

function checkShape(text: string): void {
  const set: unknown = JSON.parse(text);
  const keys = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("is not a JSON Web Key Set");
  if (keys.length > KEYS_MAX) throw new Error(`holds more than ${KEYS_MAX} keys`);
}
