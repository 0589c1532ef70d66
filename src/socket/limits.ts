import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import { createAddressRates } from "./address-rates.ts";
import { type Bucket, fill, holdsOne, readRefill, take, tryTake, waitMs } from "./bucket.ts";

type LimitsSettings = Settings["limits"];

/** What limits know of a request. */
export interface LimitedRequest {
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly transport: string;
  /** Whether it asks for a new connection: it names no session. */
  readonly first: boolean;
}

/** What may be left in a connection's two buckets. */
export interface Allowance {
  readonly events: Bucket | undefined;
  readonly bytes: Bucket | undefined;
}

/** A request over a limit. */
export interface OverLimit {
  readonly code: FailureCode;
  readonly retryAfterMs?: number;
}

/** Which rate a connection is over, and for how long. */
export interface Owed {
  readonly code: "LIMIT_EVENTS" | "LIMIT_BYTES";
  readonly retryAfterMs: number;
}

/** What a packet over its connection's rate gets. */
export type Toll = "ok" | "refuse" | "close";

/** The counts and buckets that bound what clients take. */
export interface Limits {
  /** Returns the limit that a request is over. `key` is its address as limits see it. */
  refusal(request: LimitedRequest, key: string): OverLimit | undefined;
  /** Returns the limit on open connections that one more over this transport would be over. */
  full(transport: string, key: string): OverLimit | undefined;
  /** Returns the limit that every handshake over these transports would be over now. */
  fullForAll(transports: readonly string[]): FailureCode | undefined;
  /** A connection of that address is there; its buckets, if it has any limit. */
  opened(key: string): Allowance | undefined;
  closed(key: string): void;
  /** Takes one packet of `bytes` out of a connection's buckets, at a time of `needs.now`. */
  take(allowance: Allowance, bytes: number, now: number): Toll;
  /** Which of a connection's buckets is empty, and when it holds something again. */
  owed(allowance: Allowance): Owed;
  /** Addresses that hold connections, and addresses whose rate is remembered. */
  readonly sizes: { readonly held: number; readonly remembered: number };
}

/** What the limits need: a monotonic clock in milliseconds and the count of polling connections. */
export interface LimitsNeeds {
  now(): number;
  polling(): number;
}

/** When a client that met a full house may knock again: long enough for some to have left. */
const FULL_RETRY_MS = 5000;

/**
 * Returns the limits of connections, handshakes and packets. Every operation is O(1), there is no
 * timer, and memory is bounded by open connections and `addressesMax`.
 *
 * A request is looked at in the order of cost: sizes first, counts, then rates, so that a refused
 * one takes no token of others; the rate of its own address comes before the rate of all, so that
 * one address cannot use up everyone's.
 */
export function createLimits(settings: LimitsSettings, needs: LimitsNeeds): Limits {
  const all = readRefill(settings.handshakesPerSecond, settings.handshakesBurst);
  const allBucket = all && fill(all, needs.now());
  const each = readRefill(settings.addressHandshakesPerSecond, settings.addressHandshakesBurst);
  const rates = each && createAddressRates(each, settings.addressesMax, needs.now);
  const events = readRefill(settings.eventsPerSecond, settings.eventsBurst);
  const bytes = readRefill(settings.bytesPerSecond, settings.bytesBurst);
  const held = new Map<string, number>();
  let open = 0;

  function whatIsFull(transport: string, key: string): FailureCode | undefined {
    if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
    const polls = transport === "polling";
    if (polls && needs.polling() >= settings.pollingConnectionsMax) return "LIMIT_POLLING";
    const mine = held.get(key) ?? 0;
    return mine >= settings.addressConnectionsMax ? "LIMIT_ADDRESS_CONNECTIONS" : undefined;
  }

  function full(transport: string, key: string): OverLimit | undefined {
    const code = whatIsFull(transport, key);
    return code && { code, retryAfterMs: FULL_RETRY_MS };
  }

  function fullForAll(transports: readonly string[]): FailureCode | undefined {
    if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
    const polls = transports.every((transport) => transport === "polling");
    if (polls && needs.polling() >= settings.pollingConnectionsMax) return "LIMIT_POLLING";
    return all && allBucket && !holdsOne(allBucket, all, needs.now())
      ? "LIMIT_HANDSHAKES"
      : undefined;
  }

  function tooFast(key: string): OverLimit | undefined {
    const wait = rates?.take(key) ?? 0;
    if (wait > 0) return { code: "LIMIT_ADDRESS_HANDSHAKES", retryAfterMs: wait };
    if (!all || !allBucket || tryTake(allBucket, all, needs.now())) return undefined;
    return { code: "LIMIT_HANDSHAKES", retryAfterMs: waitMs(allBucket, all) };
  }

  const judge = (left: number, burst: number): Toll => {
    if (left >= 0) return "ok";
    return settings.overRate === "close" || left < -burst ? "close" : "refuse";
  };

  return {
    refusal(request, key) {
      const size = tooLarge(request, settings);
      if (size) return { code: size };
      if (!request.first) return undefined;
      return full(request.transport, key) ?? tooFast(key);
    },
    full,
    fullForAll,
    opened(key) {
      open++;
      held.set(key, (held.get(key) ?? 0) + 1);
      if (!events && !bytes) return undefined;
      const now = needs.now();
      return { events: events && fill(events, now), bytes: bytes && fill(bytes, now) };
    },
    closed(key) {
      open--;
      const left = (held.get(key) ?? 1) - 1;
      if (left > 0) held.set(key, left);
      else held.delete(key);
    },
    take({ events: count, bytes: sizes }, size, now) {
      const one = count && events ? judge(take(count, events, now, 1), events.burst) : "ok";
      const two = sizes && bytes ? judge(take(sizes, bytes, now, size), bytes.burst) : "ok";
      if (one === "close" || two === "close") return "close";
      return one === "ok" ? two : one;
    },
    owed(allowance) {
      const code = (allowance.events?.tokens ?? 0) < 0 ? "LIMIT_EVENTS" : "LIMIT_BYTES";
      const waits = [
        allowance.events && events ? waitMs(allowance.events, events) : 0,
        allowance.bytes && bytes ? waitMs(allowance.bytes, bytes) : 0,
      ];
      return { code, retryAfterMs: Math.max(...waits) };
    },
    get sizes() {
      return { held: held.size, remembered: rates?.size ?? 0 };
    },
  };
}

function tooLarge(request: LimitedRequest, settings: LimitsSettings): FailureCode | undefined {
  const at = request.url.indexOf("?");
  if (at >= 0 && isQueryTooLarge(request.url, at + 1, settings)) return "LIMIT_QUERY";
  let bytes = 0;
  for (const [name, text] of Object.entries(request.headers)) bytes += name.length + text.length;
  return bytes > settings.headerBytesMax ? "LIMIT_HEADERS" : undefined;
}

function isQueryTooLarge(url: string, from: number, settings: LimitsSettings): boolean {
  if (url.length - from > settings.queryBytesMax) return true;
  let parameters = 1;
  for (let at = url.indexOf("&", from); at >= 0; at = url.indexOf("&", at + 1)) parameters++;
  return parameters > settings.queryParametersMax;
}
