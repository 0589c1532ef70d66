import type { Server } from "socket.io";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import { createThrottle, type Log, type ThrottledLog } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { zeros } from "../core/zeros.ts";
import type { Guards } from "../seam/dispatch.ts";
import { checkSocketIo } from "../seam/socket-io.ts";
import { createAddressReader, limitKeyOf } from "./address.ts";
import { AUTH_RESULTS, createAuth, type TokenConnection } from "./auth.ts";
import { createBounds, SOCKET_LIMITS, type SocketLimit } from "./bounds.ts";
import { guardNamespaces, type Recovering } from "./entry.ts";
import { type Allowance, createLimits, type Limits, type OverLimit } from "./limits.ts";
import { createOriginCheck, type OriginCheck } from "./origin.ts";
import { createOutside, type Outside, type OutsideConnection } from "./outside.ts";
import {
  createLoadSampler,
  createOverloadMonitor,
  type Load,
  type OverloadMonitor,
  type Sheddable,
  STAGES,
  type Stage,
} from "./overload.ts";

/** The settings of the door. */
export type DoorSettings = Pick<Settings, "socket" | "auth" | "limits" | "overload">;

/** The parts of a request that the door reads. */
export interface DoorRequest {
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly _query: Readonly<Record<string, string>>;
  readonly connection: { remoteAddress: string; readonly proxiedAddress?: string };
}

/** The parts of a connection that the door uses. */
export interface DoorConnection extends TokenConnection, OutsideConnection {
  readonly remoteAddress: string;
}

/** The door's counts. */
export interface DoorSamples {
  readonly limited: Record<SocketLimit, number>;
  readonly authenticated: Record<string, number>;
  readonly keySetFetches: Record<"answered" | "failed", number>;
  /** Sockets whose token expiry is watched. */
  tokensWatched(): number;
  /** Connections in no namespace yet. */
  outside(): number;
  /** Each stage of load shedding, with 1 if it is active and 0 otherwise. */
  stages(): readonly (readonly [Stage, number])[];
}

/** What the door needs from other rooms. */
export interface DoorNeeds {
  readonly log: Log;
  /** Called with errors of the application's code, which end nothing else. */
  readonly handlerFailed: HandlerFailed;
  readonly production: boolean;
  /** Called with how long the check of a token took. */
  authenticatedIn(seconds: number): void;
  /** Runs a session's recovery, limited to the rooms that the client's token allows. */
  readonly recovering: Recovering;
  /** Returns the load since the last call. Default: that of this process. */
  readonly load?: (() => Load) | undefined;
  /** Number of open long-polling connections. */
  polling(): number;
  /** The open connections; called only while some are closed to shed load. */
  connections(): Iterable<Sheddable>;
  readonly guards: Guards;
}

const OUTSIDE: OverLimit = { code: "LIMIT_OUTSIDE", retryAfterMs: 1000 };
/**
 * Up to this share is added at random to the retry time of a refusal, so that refused clients do
 * not all come back at once.
 */
const JITTER = 0.5;

/**
 * Returns the door of one Socket.IO server. It checks origin, overload and limits before a
 * connection exists, rate limits while it is open, and limits and authentication on every namespace
 * it enters.
 *
 * Throws `SettingsError` for settings that do not work together, such as a mode without its key.
 */
export function createDoor(io: Server, settings: DoorSettings, needs: DoorNeeds) {
  checkSocketIo(io);
  const now = () => performance.now();
  const log = createThrottle(needs.log, now);
  const readAddress = createAddressReader(settings.socket);
  const origin = createOriginCheck(settings.socket);
  const outside = createOutside(settings.limits.outsideMax, now);
  const limits = createLimits(settings.limits, { now, polling: needs.polling });
  let sampler: ReturnType<typeof createLoadSampler> | undefined;
  const overload = createOverloadMonitor(settings.overload, {
    ...{ now, every, connections: needs.connections, log },
    sample: needs.load ?? (() => sampler?.sample() ?? { lagMs: 0, memoryPercent: 0 }),
  });
  const admission = createAdmission(settings, {
    ...{ readAddress, origin, outside, limits, overload, log: needs.log, throttledLog: log },
  });
  const entry = createEntry(io, settings, { needs, now, log });
  const { auth, samples } = entry;

  /** Returns the function that takes the packets of one connection from its rate limits. */
  function createTake(allowance: Allowance) {
    return (bytes: number, nowMs: number) => {
      const verdict = limits.take(allowance, bytes, nowMs);
      if (verdict === "ok") return undefined;
      const { code } = limits.exceeded(allowance);
      samples.limited[code === "LIMIT_EVENTS" ? "events" : "bytes"]++;
      log("warn", code, { room: "socket", code, verdict }, "a connection is over its rate");
      return { code, verdict };
    };
  }

  return {
    ...admission,
    headers: origin.headers,
    preflight: origin.preflight,
    opened(connection: DoorConnection) {
      auth?.opened(connection);
      outside.add(connection);
      const allowance = limits.opened(limitKeyOf(connection.remoteAddress));
      return allowance && createTake(allowance);
    },
    joined: outside.delete,
    check: (connection: DoorConnection) => auth?.check(connection),
    closed(connection: DoorConnection): void {
      limits.closed(limitKeyOf(connection.remoteAddress));
      outside.delete(connection);
    },
    samples: {
      ...samples,
      tokensWatched: () => auth?.watched ?? 0,
      outside: () => outside.size,
      stages: () => STAGES.map((stage) => [stage, Number(overload.isActive(stage))] as const),
    } satisfies DoorSamples as DoorSamples,
    /** Measures the load from now on. Call it when clients can connect: a start itself lags. */
    begin(): void {
      if (settings.overload.enabled && !needs.load) {
        sampler = createLoadSampler(settings.overload.memoryBytesMax);
      }
    },
    stop(): void {
      entry.unguard();
      overload.stop();
      sampler?.stop();
      entry.bounds.stop();
      auth?.stop();
    },
  };
}

/** Puts bounds and authentication before the namespaces of `io`, and counts what they do. */
function createEntry(
  io: Server,
  settings: DoorSettings,
  {
    needs,
    now,
    log,
  }: { readonly needs: DoorNeeds; readonly now: () => number; readonly log: ThrottledLog },
) {
  const { handlerFailed, guards, recovering } = needs;
  const samples: Pick<DoorSamples, "limited" | "authenticated" | "keySetFetches"> = {
    limited: zeros(SOCKET_LIMITS),
    authenticated: zeros(AUTH_RESULTS),
    keySetFetches: zeros(["answered", "failed"] as const),
  };
  const limited = (limit: SocketLimit): void => {
    samples.limited[limit]++;
  };
  const bounds = createBounds(io, settings.limits, { log, limited, now, handlerFailed });
  const auth = createAuth(settings.auth, needs.production, {
    now: Date.now,
    ticks: now,
    log,
    fetched: (result) => samples.keySetFetches[result]++,
    authenticated(result, seconds) {
      samples.authenticated[result] = (samples.authenticated[result] ?? 0) + 1;
      needs.authenticatedIn(seconds);
    },
  });
  const unguard = guardNamespaces(io, { bounds, auth, guards, log, now, recovering });
  return { samples, bounds, auth, unguard };
}

/** Returns the checks of a request: they decide whether it may become a connection. */
function createAdmission(
  settings: DoorSettings,
  needs: {
    readonly readAddress: ReturnType<typeof createAddressReader>;
    readonly origin: OriginCheck;
    readonly outside: Outside;
    readonly limits: Limits;
    readonly overload: OverloadMonitor;
    readonly log: Log;
    readonly throttledLog: ThrottledLog;
  },
) {
  const { readAddress, origin, outside, limits, overload, log, throttledLog } = needs;
  let isProxyKnown = settings.socket.trustProxy.length > 0;

  function check(request: DoorRequest, first: boolean): OverLimit | undefined {
    if (!origin.allows(request)) return { code: "ORIGIN_FORBIDDEN" };
    if (first && overload.isActive("refuse")) {
      return { code: "OVERLOADED", retryAfterMs: settings.overload.retryAfterMs };
    }
    const { url, headers, connection } = request;
    const transport = request._query.transport ?? "";
    const key = limitKeyOf(connection.remoteAddress);
    const found = limits.refusal({ url, headers, transport, first }, key);
    return found ?? (first && outside.isFull() ? OUTSIDE : undefined);
  }

  function refuse({ code, retryAfterMs }: OverLimit, request: DoorRequest) {
    const about = code === "ORIGIN_FORBIDDEN" ? origin.describe(request) : {};
    const address = request.connection.remoteAddress;
    const fields = { room: "socket", code, address, ...about };
    throttledLog("warn", code, fields, `request refused: ${FAILURES[code].text}`);
    return createRefusal(code, retryAfterMs);
  }

  /** Logged once: if a proxy is not configured, all clients share one address for the limits. */
  function warnOfProxy(): void {
    isProxyKnown = true;
    const text = "X-Forwarded-For is ignored: name your proxy in socket.trustProxy, if it is yours";
    log("warn", { room: "socket" }, text);
  }

  return {
    admit(request: DoorRequest, first: boolean) {
      const { headers, connection } = request;
      if (!isProxyKnown && headers["x-forwarded-for"] !== undefined) warnOfProxy();
      connection.remoteAddress = readAddress({
        headers,
        address: connection.remoteAddress,
        proxiedAddress: connection.proxiedAddress ?? "",
      });
      const found = check(request, first);
      return found && refuse(found, request);
    },
    recheck(request: DoorRequest) {
      const { _query, connection } = request;
      const full = limits.full(_query.transport ?? "", limitKeyOf(connection.remoteAddress));
      const found = full ?? (outside.isFull() ? OUTSIDE : undefined);
      return found && refuse(found, request);
    },
    /** Returns why every handshake would be refused now; `undefined` if some would be admitted. */
    refusing(): FailureCode | undefined {
      if (overload.isActive("refuse")) return "OVERLOADED";
      const full = limits.fullForAll(settings.socket.transports);
      return full ?? (outside.refuses() ? OUTSIDE.code : undefined);
    },
  };
}

function createRefusal(code: FailureCode, retryAfterMs: number | undefined) {
  const { status, text: message } = FAILURES[code];
  if (retryAfterMs === undefined) return { code, status, message };
  const waitMs = retryAfterMs * (1 + Math.random() * JITTER);
  return { code, status, message, retryAfterS: Math.ceil(waitMs / 1000) };
}

function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref();
  return () => clearInterval(timer);
}
