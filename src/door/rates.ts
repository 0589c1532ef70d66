import type { Settings } from "../core/settings-shape.ts";

type LimitsSettings = Settings["limits"];

/** How fast a bucket refills and how many tokens it holds. */
interface Refill {
  readonly perMs: number;
  readonly burst: number;
}

/**
 * A token bucket without a timer: refilled tokens are computed when the bucket is used.
 *
 * `tokens` may be negative. The connection then is over its limit by that many.
 */
interface Bucket {
  readonly refill: Refill;
  tokens: number;
  /** When `tokens` was computed, in milliseconds. */
  at: number;
}

/** The two buckets of one connection; undefined where there is no limit. */
export interface Allowance {
  readonly events: Bucket | undefined;
  readonly bytes: Bucket | undefined;
}

/** What to do with a packet: accept it, refuse it, or close its connection. */
export type RateVerdict = "ok" | "refuse" | "close";

/**
 * Returns the refill of a limit, or `undefined` for a rate of 0, which means no limit. The bucket
 * holds `burst` tokens, but at least what one second refills.
 */
function readRefill(perSecond: number, burst: number): Refill | undefined {
  return perSecond === 0
    ? undefined
    : { perMs: perSecond / 1000, burst: Math.max(burst, perSecond) };
}

/** Returns a full bucket. */
function fill(refill: Refill, now: number): Bucket {
  return { refill, tokens: refill.burst, at: now };
}

function refresh(bucket: Bucket, now: number): void {
  const since = now - bucket.at;
  if (since <= 0) return; // the clock has not advanced
  const { perMs, burst } = bucket.refill;
  bucket.tokens = Math.min(burst, bucket.tokens + since * perMs);
  bucket.at = now;
}

/** Whether the bucket holds at least one token. */
function holdsOne(bucket: Bucket, now: number): boolean {
  refresh(bucket, now);
  return bucket.tokens >= 1;
}

/** Takes one token if there is one, and returns whether there was. */
function tryTake(bucket: Bucket, now: number): boolean {
  if (!holdsOne(bucket, now)) return false;
  bucket.tokens -= 1;
  return true;
}

/** Returns the milliseconds until the bucket holds one token. */
function waitMs({ tokens, refill }: Bucket): number {
  return Math.max(0, Math.ceil((1 - tokens) / refill.perMs));
}

/** Returns the rates of the packets and bytes that each connection sends. */
export function createPacketRates(settings: LimitsSettings) {
  const events = readRefill(settings.eventsPerSecond, settings.eventsBurst);
  const bytes = readRefill(settings.bytesPerSecond, settings.bytesBurst);

  /** Takes `n` tokens, also if there are fewer, and decides on what is left. */
  function takeFrom(bucket: Bucket | undefined, now: number, n: number): RateVerdict {
    if (!bucket) return "ok";
    refresh(bucket, now);
    bucket.tokens -= n;
    if (bucket.tokens >= 0) return "ok";
    const isFarOver = bucket.tokens < -bucket.refill.burst;
    return settings.overRate === "close" || isFarOver ? "close" : "refuse";
  }

  return {
    /** Returns the buckets of a new connection, or undefined if packets have no rate limit. */
    open(now: number): Allowance | undefined {
      if (!events && !bytes) return undefined;
      return { events: events && fill(events, now), bytes: bytes && fill(bytes, now) };
    },
    /** Takes one packet of `size` bytes from a connection's buckets. */
    take(allowance: Allowance, size: number, now: number): RateVerdict {
      const one = takeFrom(allowance.events, now, 1);
      const two = takeFrom(allowance.bytes, now, size);
      if (one === "close" || two === "close") return "close";
      return one === "ok" ? two : one;
    },
    /** Returns which rate a connection exceeds, and the milliseconds until it may send again. */
    exceeded({ events, bytes }: Allowance): {
      readonly code: "LIMIT_EVENTS" | "LIMIT_BYTES";
      readonly retryAfterMs: number;
    } {
      const code = (events?.tokens ?? 0) < 0 ? "LIMIT_EVENTS" : "LIMIT_BYTES";
      const waits = [events ? waitMs(events) : 0, bytes ? waitMs(bytes) : 0];
      return { code, retryAfterMs: Math.max(...waits) };
    },
  };
}

/**
 * Returns the rates of handshakes: one of each address, and one of all addresses together. `now` is
 * a monotonic clock in milliseconds.
 */
export function createHandshakeRates(settings: LimitsSettings, now: () => number) {
  const total = readRefill(settings.handshakesPerSecond, settings.handshakesBurst);
  const all = total && fill(total, now());
  const each = readRefill(settings.addressHandshakesPerSecond, settings.addressHandshakesBurst);
  const rates = each && createAddressRates(each, settings.addressesMax, now);
  return {
    /** Takes a token of each, or returns the rate that the address exceeds. */
    take(key: string) {
      const wait = rates?.take(key) ?? 0;
      if (wait > 0) return { code: "LIMIT_ADDRESS_HANDSHAKES", retryAfterMs: wait } as const;
      if (!all || tryTake(all, now())) return undefined;
      return { code: "LIMIT_HANDSHAKES", retryAfterMs: waitMs(all) } as const;
    },
    /** Whether the rate of all addresses has no token left. */
    isEmpty: () => all !== undefined && !holdsOne(all, now()),
    /** Addresses that have a bucket. */
    remembered: () => rates?.size() ?? 0,
  };
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
function createAddressRates(refill: Refill, addressesMax: number, now: () => number) {
  const buckets = new Map<string, Bucket>();

  function sweep(at: number): void {
    let checked = 0;
    for (const [key, bucket] of buckets) {
      if (checked++ === CHECKED_PER_INSERT) return;
      refresh(bucket, at);
      if (buckets.size >= addressesMax || bucket.tokens >= refill.burst) buckets.delete(key);
    }
  }

  return {
    size: () => buckets.size,
    /** Takes one token of `key`. Returns 0, or the milliseconds until there is one. */
    take(key: string): number {
      const at = now();
      let bucket = buckets.get(key);
      if (bucket) {
        buckets.delete(key);
      } else {
        sweep(at);
        bucket = fill(refill, at);
      }
      buckets.set(key, bucket);
      return tryTake(bucket, at) ? 0 : Math.max(1, waitMs(bucket));
    },
  };
}
