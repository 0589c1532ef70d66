/**
 * A token bucket without a timer: refilled tokens are computed when the bucket is used.
 *
 * `tokens` may be negative. The connection then is over its limit by that many.
 */
export interface Bucket {
  tokens: number;
  /** When `tokens` was computed, in milliseconds. */
  at: number;
}

/** How fast a bucket refills and how many tokens it holds. */
export interface Refill {
  readonly perMs: number;
  readonly burst: number;
}

/**
 * Returns the refill of a limit, or `undefined` for a rate of 0, which means no limit. The bucket
 * holds `burst` tokens, but at least what one second refills.
 */
export function readRefill(perSecond: number, burst: number): Refill | undefined {
  return perSecond === 0
    ? undefined
    : { perMs: perSecond / 1000, burst: Math.max(burst, perSecond) };
}

/** Returns a full bucket. */
export function fill(refill: Refill, now: number): Bucket {
  return { tokens: refill.burst, at: now };
}

/** Takes `n` tokens, also if there are fewer, and returns what is left. */
// biome-ignore lint/complexity/useMaxParams: an object would be an allocation per event.
export function take(bucket: Bucket, refill: Refill, now: number, n: number): number {
  refresh(bucket, refill, now);
  bucket.tokens -= n;
  return bucket.tokens;
}

/** Whether the bucket holds at least one token. */
export function holdsOne(bucket: Bucket, refill: Refill, now: number): boolean {
  refresh(bucket, refill, now);
  return bucket.tokens >= 1;
}

/** Takes one token if there is one, and returns whether there was. */
export function tryTake(bucket: Bucket, refill: Refill, now: number): boolean {
  if (!holdsOne(bucket, refill, now)) return false;
  bucket.tokens -= 1;
  return true;
}

/** Returns the milliseconds until the bucket holds one token. */
export function waitMs(bucket: Bucket, refill: Refill): number {
  return Math.max(0, Math.ceil((1 - bucket.tokens) / refill.perMs));
}

function refresh(bucket: Bucket, refill: Refill, now: number): void {
  const since = now - bucket.at;
  if (since <= 0) return; // the clock has not advanced
  bucket.tokens = Math.min(refill.burst, bucket.tokens + since * refill.perMs);
  bucket.at = now;
}

/** A rate limit that each address has for itself. */
export interface AddressRates {
  /** Takes one token of `key`. Returns 0, or the milliseconds until there is one. */
  take(key: string): number;
  /** Addresses that have a bucket. */
  readonly size: number;
}

/** Buckets checked for removal with every new address. Two, so that the map can shrink. */
const CHECKED_PER_INSERT = 2;

/**
 * Returns one bucket per address, for at most `addressesMax` addresses.
 *
 * The map is in the order of last use. With every new address its two oldest buckets are checked,
 * and those that are full again are removed: a new bucket would be the same. If the map is full,
 * they are removed in any case. A client with more addresses than that gets fresh buckets; the rate
 * limit over all addresses still holds.
 *
 * Rate-limit libraries were not used: their stores keep a timer per key and answer with a promise,
 * but a request must be decided on before its route handler returns.
 */
export function createAddressRates(
  refill: Refill,
  addressesMax: number,
  now: () => number,
): AddressRates {
  const buckets = new Map<string, Bucket>();

  function sweep(at: number): void {
    let checked = 0;
    for (const [key, bucket] of buckets) {
      if (checked++ === CHECKED_PER_INSERT) return;
      refresh(bucket, refill, at);
      if (buckets.size >= addressesMax || bucket.tokens >= refill.burst) buckets.delete(key);
    }
  }

  return {
    get size() {
      return buckets.size;
    },
    take(key) {
      const at = now();
      let bucket = buckets.get(key);
      if (bucket) {
        buckets.delete(key);
      } else {
        sweep(at);
        bucket = fill(refill, at);
      }
      buckets.set(key, bucket);
      return tryTake(bucket, refill, at) ? 0 : Math.max(1, waitMs(bucket, refill));
    },
  };
}
