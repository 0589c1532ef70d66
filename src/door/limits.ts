import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import { createHandshakeRates, createPacketRates } from "./rates.ts";

type LimitsSettings = Settings["limits"];

/** The parts of a request that limits depend on. */
export interface LimitedRequest {
  /** Path and query. */
  readonly url: string;
  /** Characters of the names and values of all headers. */
  readonly headerBytes: number;
  readonly transport: string;
  /** Whether it asks for a new connection: it has no session id. */
  readonly first: boolean;
}

/** The limit that a request exceeds. */
export interface OverLimit {
  readonly code: FailureCode;
  readonly retryAfterMs?: number;
}

/**
 * When a client may retry after a limit on open connections: long enough for some of them to have
 * closed.
 */
const FULL_RETRY_MS = 5000;

/**
 * Returns the limits of connections, handshakes and packets. A `key` is what `limitKeyOf` returns
 * for an address. Every operation is O(1), there is no timer, and memory is bounded by open
 * connections and `addressesMax`.
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
) {
  const handshakes = createHandshakeRates(settings, needs.now);
  const packets = createPacketRates(settings);
  const held = new Map<string, number>();
  let open = 0;

  const isPollingFull = () => needs.polling() >= settings.pollingConnectionsMax;

  function whatIsFull(transport: string, key: string): FailureCode | undefined {
    if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
    if (transport === "polling" && isPollingFull()) return "LIMIT_POLLING";
    const own = held.get(key) ?? 0;
    return own >= settings.addressConnectionsMax ? "LIMIT_ADDRESS_CONNECTIONS" : undefined;
  }

  /** Returns the limit on open connections that one more over this transport would exceed. */
  function full(transport: string, key: string): OverLimit | undefined {
    const code = whatIsFull(transport, key);
    return code && { code, retryAfterMs: FULL_RETRY_MS };
  }

  return {
    /** Returns the limit that a request exceeds. Takes tokens if it asks for a new connection. */
    refusal(request: LimitedRequest, key: string): OverLimit | undefined {
      const size = tooLarge(request, settings);
      if (size) return { code: size };
      if (!request.first) return undefined;
      return full(request.transport, key) ?? handshakes.take(key);
    },
    full,
    /** Returns the limit that every handshake over these transports would exceed now. */
    fullForAll(transports: readonly string[]): FailureCode | undefined {
      if (open >= settings.connectionsMax) return "LIMIT_CONNECTIONS";
      const polls = transports.every((transport) => transport === "polling");
      if (polls && isPollingFull()) return "LIMIT_POLLING";
      return handshakes.isEmpty() ? "LIMIT_HANDSHAKES" : undefined;
    },
    /** Counts a new connection. Returns its buckets, or undefined if packets have no rate limit. */
    opened(key: string) {
      open++;
      held.set(key, (held.get(key) ?? 0) + 1);
      return packets.open(needs.now());
    },
    /** Must be called once per connection counted by `opened`. */
    closed(key: string): void {
      open--;
      const left = (held.get(key) ?? 1) - 1;
      if (left > 0) held.set(key, left);
      else held.delete(key);
    },
    take: packets.take,
    exceeded: packets.exceeded,
    /** Number of addresses with open connections, and of addresses with a handshake bucket. */
    get sizes() {
      return { held: held.size, remembered: handshakes.remembered() };
    },
  };
}

function tooLarge(request: LimitedRequest, settings: LimitsSettings): FailureCode | undefined {
  const at = request.url.indexOf("?");
  if (at >= 0 && isQueryTooLarge(request.url, at + 1, settings)) return "LIMIT_QUERY";
  return request.headerBytes > settings.headerBytesMax ? "LIMIT_HEADERS" : undefined;
}

function isQueryTooLarge(url: string, from: number, settings: LimitsSettings): boolean {
  if (url.length - from > settings.queryBytesMax) return true;
  let parameters = 1;
  for (let at = url.indexOf("&", from); at >= 0; at = url.indexOf("&", at + 1)) parameters++;
  return parameters > settings.queryParametersMax;
}

/** A connection that has not entered a namespace yet. */
export interface OutsideConnection {
  /** Monotonic time in milliseconds. */
  readonly openedAt: number;
  closeAs(reason: "outside_exceeded"): void;
}

/**
 * Age at which a connection may be closed for a new one. It is longer than a function may take by
 * default to decide on a client, so a client that waits for a decision is not closed.
 */
const GRACE_MS = 10_000;

/**
 * Counts the connections that are in no namespace yet, and bounds their number.
 *
 * The bytes of an unfinished WebSocket message cannot be measured. With this bound such connections
 * hold at most `max` times `socket.packetBytesMax` together.
 *
 * At `max` the oldest connection is closed to admit a new one, if it has been in no namespace for
 * ten seconds. So idle connections cannot keep others out for long.
 */
export function createOutside(max: number, now: () => number) {
  const all = new Set<OutsideConnection>();
  /** Whether a new connection would be refused now. Closes nothing. */
  function refuses(): boolean {
    if (all.size < max) return false;
    const [oldest] = all;
    return !oldest || now() - oldest.openedAt < GRACE_MS;
  }

  return {
    add: (connection: OutsideConnection) => void all.add(connection),
    delete: (connection: OutsideConnection) => void all.delete(connection),
    refuses,
    /** Whether a new connection must be refused. At the limit it may close the oldest instead. */
    isFull(): boolean {
      if (refuses()) return true;
      const [oldest] = all;
      if (!oldest || all.size < max) return false;
      all.delete(oldest);
      oldest.closeAs("outside_exceeded");
      return false;
    },
    get size() {
      return all.size;
    },
  };
}
