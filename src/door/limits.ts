import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import {
  type Bucket,
  createAddressRates,
  fill,
  holdsOne,
  type Refill,
  readRefill,
  take,
  tryTake,
  waitMs,
} from "./bucket.ts";

type LimitsSettings = Settings["limits"];

/** The parts of a request that limits depend on. */
export interface LimitedRequest {
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly transport: string;
  /** Whether it asks for a new connection: it has no session id. */
  readonly first: boolean;
}

/** The two buckets of one connection; undefined where there is no limit. */
export interface Allowance {
  readonly events: Bucket | undefined;
  readonly bytes: Bucket | undefined;
}

/** The limit that a request exceeds. */
export interface OverLimit {
  readonly code: FailureCode;
  readonly retryAfterMs?: number;
}

/** What to do with a packet: accept it, refuse it, or close its connection. */
export type RateVerdict = "ok" | "refuse" | "close";

/** Limits on connections, handshakes and packets. `key` is an address from `limitKeyOf`. */
export interface Limits {
  /** Returns the limit that a request exceeds. Takes tokens if it asks for a new connection. */
  refusal(request: LimitedRequest, key: string): OverLimit | undefined;
  /** Returns the limit on open connections that one more over this transport would exceed. */
  full(transport: string, key: string): OverLimit | undefined;
  /** Returns the limit that every handshake over these transports would exceed now. */
  fullForAll(transports: readonly string[]): FailureCode | undefined;
  /** Counts a new connection. Returns its buckets, or undefined if packets have no rate limit. */
  opened(key: string): Allowance | undefined;
  /** Must be called once per connection counted by `opened`. */
  closed(key: string): void;
  /** Takes one packet of `bytes` from a connection's buckets. `now` is a time of `needs.now`. */
  take(allowance: Allowance, bytes: number, now: number): RateVerdict;
  /** Returns which rate a connection exceeds, and the milliseconds until it may send again. */
  exceeded(allowance: Allowance): {
    readonly code: "LIMIT_EVENTS" | "LIMIT_BYTES";
    readonly retryAfterMs: number;
  };
  /** Number of addresses with open connections, and of addresses with a handshake bucket. */
  readonly sizes: { readonly held: number; readonly remembered: number };
}

/**
 * When a client may retry after a limit on open connections: long enough for some of them to have
 * closed.
 */
const FULL_RETRY_MS = 5000;

/**
 * Returns the limits of connections, handshakes and packets. Every operation is O(1), there is no
 * timer, and memory is bounded by open connections and `addressesMax`.
 *
 * A request is checked against sizes first, then counts, then rates, so that a refused one takes no
 * token from others. The rate of its own address comes before the rate of all addresses, so that
 * one address cannot use up the tokens of everyone.
 *
 * `needs.now` is a monotonic clock in milliseconds, `needs.polling` the number of open long-polling
 * connections.
 */
export function createLimits(
  settings: LimitsSettings,
  needs: { now(): number; polling(): number },
): Limits {
  const handshakes = createHandshakeRates(settings, needs.now);
  const events = readRefill(settings.eventsPerSecond, settings.eventsBurst);
  const bytes = readRefill(settings.bytesPerSecond, settings.bytesBurst);
  const held = new Map<string, number>();
  let open = 0;

  const isPollingFull = () => needs.polling() >= settings.pollingConnectionsMax;

  function whatIsFull(transport: string, key: string): FailureCode | undefined {
    if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
    if (transport === "polling" && isPollingFull()) return "LIMIT_POLLING";
    const own = held.get(key) ?? 0;
    return own >= settings.addressConnectionsMax ? "LIMIT_ADDRESS_CONNECTIONS" : undefined;
  }

  function full(transport: string, key: string): OverLimit | undefined {
    const code = whatIsFull(transport, key);
    return code && { code, retryAfterMs: FULL_RETRY_MS };
  }

  return {
    refusal(request, key) {
      const size = tooLarge(request, settings);
      if (size) return { code: size };
      if (!request.first) return undefined;
      return full(request.transport, key) ?? handshakes.take(key);
    },
    full,
    fullForAll(transports) {
      if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
      const polls = transports.every((transport) => transport === "polling");
      if (polls && isPollingFull()) return "LIMIT_POLLING";
      return handshakes.isEmpty() ? "LIMIT_HANDSHAKES" : undefined;
    },
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
      const one = count && events ? judge(take(count, events, now, 1), events, settings) : "ok";
      const two = sizes && bytes ? judge(take(sizes, bytes, now, size), bytes, settings) : "ok";
      if (one === "close" || two === "close") return "close";
      return one === "ok" ? two : one;
    },
    exceeded(allowance) {
      const code = (allowance.events?.tokens ?? 0) < 0 ? "LIMIT_EVENTS" : "LIMIT_BYTES";
      const waits = [
        allowance.events && events ? waitMs(allowance.events, events) : 0,
        allowance.bytes && bytes ? waitMs(allowance.bytes, bytes) : 0,
      ];
      return { code, retryAfterMs: Math.max(...waits) };
    },
    get sizes() {
      return { held: held.size, remembered: handshakes.remembered() };
    },
  };
}

/** Decides on a packet after its tokens were taken: `left` is negative if there were too few. */
function judge(left: number, { burst }: Refill, { overRate }: LimitsSettings): RateVerdict {
  if (left >= 0) return "ok";
  return overRate === "close" || left < -burst ? "close" : "refuse";
}

/** Returns the handshake rates: one of each address, and one of all addresses together. */
function createHandshakeRates(settings: LimitsSettings, now: () => number) {
  const all = readRefill(settings.handshakesPerSecond, settings.handshakesBurst);
  const allBucket = all && fill(all, now());
  const each = readRefill(settings.addressHandshakesPerSecond, settings.addressHandshakesBurst);
  const rates = each && createAddressRates(each, settings.addressesMax, now);
  return {
    /** Takes a token of each, or returns the rate that the address exceeds. */
    take(key: string): OverLimit | undefined {
      const wait = rates?.take(key) ?? 0;
      if (wait > 0) return { code: "LIMIT_ADDRESS_HANDSHAKES", retryAfterMs: wait };
      if (!all || !allBucket || tryTake(allBucket, all, now())) return undefined;
      return { code: "LIMIT_HANDSHAKES", retryAfterMs: waitMs(allBucket, all) };
    },
    /** Whether the rate of all addresses has no token left. */
    isEmpty: () => all !== undefined && allBucket !== undefined && !holdsOne(allBucket, all, now()),
    remembered: () => rates?.size ?? 0,
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
