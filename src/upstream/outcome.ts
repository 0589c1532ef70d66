import type { FailureCode } from "../core/failures.ts";
import type { Posted } from "./post.ts";

/** How one attempt of a call ended. */
export type Outcome = Answered | Failed;

/** The function took the call. */
export interface Answered {
  readonly ok: true;
  readonly body: Buffer;
}

/** It did not, or was never asked. */
export interface Failed {
  readonly ok: false;
  readonly code: FailureCode;
  /** Status of the answer, if there was one. */
  readonly status?: number;
  /** What a function that refuses says. */
  readonly body?: Buffer;
  /** For how long the function asks to be left alone. */
  readonly pauseMs?: number;
}

const POSTED: Readonly<Record<Extract<Posted, { failed: unknown }>["failed"], FailureCode>> = {
  unreachable: "UPSTREAM_UNREACHABLE",
  timeout: "UPSTREAM_TIMEOUT",
  too_large: "UPSTREAM_TOO_LARGE",
  encoded: "UPSTREAM_BAD_ANSWER",
  aborted: "UPSTREAM_STOPPING",
};

/** Statuses by which a function, and not a server in front of it, says no. */
const REFUSALS = new Set([401, 403, 422]);
/** Statuses below 500 that may pass: Request Timeout, Too Early. */
const PASSING = new Set([408, 425]);

/** Returns what an attempt means. `nowMs` is the wall clock, for dates in `Retry-After`. */
export function judge(posted: Posted, nowMs: number): Outcome {
  if ("failed" in posted) return { ok: false, code: POSTED[posted.failed] };
  const { status, body, retryAfter } = posted.answer;
  if (status >= 200 && status < 300) return { ok: true, body };
  if (status < 400) return { ok: false, code: "UPSTREAM_REDIRECTED", status };
  if (status === 410) return { ok: false, code: "UPSTREAM_GONE", status };
  if (status === 429 || status === 503) {
    const pauseMs = readRetryAfter(retryAfter, nowMs);
    if (pauseMs !== undefined) return { ok: false, code: "UPSTREAM_PAUSED", status, pauseMs };
    return { ok: false, code: status === 429 ? "UPSTREAM_PAUSED" : "UPSTREAM_FAILED", status };
  }
  if (REFUSALS.has(status)) return { ok: false, code: "UPSTREAM_REFUSED", status, body };
  if (status >= 500 || PASSING.has(status)) return { ok: false, code: "UPSTREAM_FAILED", status };
  return { ok: false, code: "UPSTREAM_REJECTED", status };
}

/**
 * What an attempt says about its origin's health; 429 and a stop of ours say nothing. Answers that
 * are not taken, too large ones among them, are answers: what a client sent may be all that is
 * wrong.
 */
export function healthOf(outcome: Outcome): "ok" | "failed" | "unknown" {
  if (outcome.ok) return "ok";
  switch (outcome.code) {
    case "UPSTREAM_UNREACHABLE":
    case "UPSTREAM_TIMEOUT":
    case "UPSTREAM_FAILED":
      return "failed";
    case "UPSTREAM_PAUSED":
    case "UPSTREAM_STOPPING":
      return "unknown";
    default:
      return "ok";
  }
}

function readRetryAfter(given: string | undefined, nowMs: number): number | undefined {
  if (given === undefined) return undefined;
  if (/^\d{1,9}$/.test(given.trim())) return Number(given) * 1000;
  const date = Date.parse(given);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
