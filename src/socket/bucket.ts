/**
 * A token bucket without a timer: what has been refilled is computed when it is asked for.
 *
 * `rate` tokens come back per second up to `burst` (at least one second of `rate`). Tokens may be
 * owed, so that what is over a limit is known in size and not only as yes or no.
 */
export interface Bucket {
  tokens: number;
  at: number;
}

/** How fast a bucket refills and how much it holds. */
export interface Refill {
  readonly perMs: number;
  readonly burst: number;
}

/** Returns the refill of a limit, or `undefined` for a rate of 0: no limit. */
export function readRefill(perSecond: number, burst: number): Refill | undefined {
  return perSecond === 0
    ? undefined
    : { perMs: perSecond / 1000, burst: Math.max(burst, perSecond) };
}

/** Returns a full bucket. */
export function fill(refill: Refill, now: number): Bucket {
  return { tokens: refill.burst, at: now };
}

/** Takes `n` and returns what is left; below zero that much is owed. */
export function take(bucket: Bucket, refill: Refill, now: number, n: number): number {
  refresh(bucket, refill, now);
  bucket.tokens -= n;
  return bucket.tokens;
}

/** Whether there is a token to take. */
export function holdsOne(bucket: Bucket, refill: Refill, now: number): boolean {
  refresh(bucket, refill, now);
  return bucket.tokens >= 1;
}

/** Takes one token if there is one. */
export function tryTake(bucket: Bucket, refill: Refill, now: number): boolean {
  if (!holdsOne(bucket, refill, now)) return false;
  bucket.tokens -= 1;
  return true;
}

/** Returns the milliseconds until the bucket holds one token. */
export function waitMs(bucket: Bucket, refill: Refill): number {
  return Math.max(0, Math.ceil((1 - bucket.tokens) / refill.perMs));
}

/** Whether a bucket says nothing a new one would not. */
export function isFull(bucket: Bucket, refill: Refill, now: number): boolean {
  refresh(bucket, refill, now);
  return bucket.tokens >= refill.burst;
}

function refresh(bucket: Bucket, refill: Refill, now: number): void {
  const since = now - bucket.at;
  if (since <= 0) return; // a clock that stands still refills nothing
  bucket.tokens = Math.min(refill.burst, bucket.tokens + since * refill.perMs);
  bucket.at = now;
}
