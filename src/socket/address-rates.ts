import { type Bucket, fill, isFull, type Refill, tryTake, waitMs } from "./bucket.ts";

/** How often each address may do something. */
export interface AddressRates {
  /** Takes one token of `key`; returns 0, or the milliseconds until there is one. */
  take(key: string): number;
  readonly size: number;
}

/**
 * Buckets looked at for forgetting with every new address: more than one, so that a map shrinks.
 */
const SWEEP = 2;

/**
 * Returns one bucket per address, at most `addressesMax` of them, without a timer.
 *
 * The map is in the order of last use. With every new address its oldest two are looked at: a
 * bucket that is full again says nothing and goes. When the map is full the oldest goes in any
 * case, so someone with more addresses than that starts over; the rate over all addresses is what
 * holds then. (Stores of rate-limiting libraries keep a timer per key and answer in a promise; the
 * door must answer before the request is given back.)
 */
export function createAddressRates(
  refill: Refill,
  addressesMax: number,
  now: () => number,
): AddressRates {
  const buckets = new Map<string, Bucket>();

  function sweep(at: number): void {
    let looked = 0;
    for (const [key, bucket] of buckets) {
      if (looked++ === SWEEP) return;
      if (buckets.size >= addressesMax || isFull(bucket, refill, at)) buckets.delete(key);
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
