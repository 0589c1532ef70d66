import type { Server } from "socket.io";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { createThrottle } from "../core/throttle.ts";
import { namesNoSession } from "../host/request.ts";
import { createAddressReader, limitKeyOf } from "./address.ts";
import { AUTH_RESULTS, createAuth, type TokenConnection } from "./auth.ts";
import { createBounds, SOCKET_LIMITS, type SocketLimit } from "./bounds.ts";
import type { Connection } from "./connection.ts";
import { createGuards } from "./dispatch.ts";
import type { EngineServerBase } from "./engine-io.ts";
import { guardNamespaces, type Recovering } from "./entry.ts";
import { type Allowance, createLimits, type OverLimit, type Toll } from "./limits.ts";
import { createOriginCheck } from "./origin.ts";
import { createOutside, type Outsider } from "./outside.ts";
import { createOverloadMonitor, type Load, STAGES, type Stage } from "./overload.ts";
import { zeros } from "./samples.ts";
import { checkSocketIo } from "./socket-io.ts";

/** The settings of the door. */
export type DoorSettings = Pick<Settings, "socket" | "auth" | "limits" | "overload">;

/** A request as the door sees it. */
export interface DoorRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly _query: Readonly<Record<string, string>>;
  readonly connection: { remoteAddress: string; readonly proxiedAddress?: string };
}

/** A request that is not let in, as it is answered. */
export interface Refusal {
  readonly code: FailureCode;
  readonly status: number;
  readonly message: string;
  readonly retryAfterS?: number;
}

/** A connection as the door sees it. */
export interface DoorConnection extends TokenConnection, Outsider {
  readonly remoteAddress: string;
  allowance: Allowance | undefined;
  heardAt: number;
}

/** Headers of an answer. */
export type DoorHeaders = readonly (readonly [string, string])[];

/** Everything between a stranger's request and a socket in a namespace. */
export interface Door {
  /**
   * Called once per request, before anything exists for it; must be answered at once. Sets the
   * request's `remoteAddress` to the client's own where proxies are trusted.
   */
  admit(request: DoorRequest): Refusal | undefined;
  /**
   * Called when an admitted request is about to become a connection: while it waited, for a
   * middleware or for `allowRequest`, others may have taken the room there was.
   */
  fit(request: DoorRequest): Refusal | undefined;
  /** Why every handshake would be refused now, whoever asks; `undefined` while some would not. */
  refusing(): FailureCode | undefined;
  /** CORS headers of an answer. */
  headers(request: DoorRequest): DoorHeaders;
  /** CORS headers of the answer to an OPTIONS request; undefined where it is one as any other. */
  preflight(request: DoorRequest): DoorHeaders | undefined;
  opened(connection: DoorConnection): void;
  /** It is in a namespace. */
  joined(connection: DoorConnection): void;
  closed(connection: DoorConnection): void;
  /** Called once per inbound packet, before it is decoded. */
  take(connection: DoorConnection, bytes: number, message: boolean): Toll;
  /** Keeps what listeners and middlewares of the engine throw from ending more than themselves. */
  guard(engine: EngineServerBase): void;
  /** Why a packet was refused. */
  owed(connection: DoorConnection): FailureCode;
  readonly samples: DoorSamples;
  stop(): void;
}

/** What the door has counted. */
export interface DoorSamples {
  readonly limited: Record<SocketLimit, number>;
  readonly authenticated: Record<string, number>;
  readonly keySetFetches: Record<"answered" | "failed", number>;
  /** Sockets whose token's end is waited for. */
  tokensWatched(): number;
  /** Connections in no namespace yet. */
  outside(): number;
  /** 1 where a stage of shedding is active. */
  stages(): readonly (readonly [Stage, number])[];
}

/** What the door needs of the rooms around it. */
export interface DoorNeeds {
  readonly log: Log;
  /** Hears of what the application's code throws: from here on it ends nothing. */
  readonly handlerFailed: HandlerFailed;
  readonly production: boolean;
  /** How long a token was looked at. */
  authenticatedIn(seconds: number): void;
  /** What recovery has to do with tokens: see there. */
  readonly recovering: Recovering;
  /** Returns the load since it was last asked. */
  sample(): Load;
}

/** What the door needs of the connections. */
export interface DoorView {
  /** Open long-polling connections. */
  polling(): number;
  connections(): Iterable<Connection>;
}

const OUTSIDE: OverLimit = { code: "LIMIT_OUTSIDE", retryAfterMs: 1000 };
/** Refusals that say when to come back say it plus up to this share, or all come back at once. */
const JITTER = 0.5;

/**
 * Returns the door of one Socket.IO server: origin, overload and limits before a connection exists,
 * rates while it lives, bounds and authentication on every namespace it enters.
 *
 * Throws `SettingsError` for settings that cannot work together, such as a mode without its key.
 */
export function createDoor(
  io: Server,
  settings: DoorSettings,
  needs: DoorNeeds,
  view: DoorView,
): Door {
  checkSocketIo(io);
  const now = () => performance.now();
  const log = createThrottle(needs.log, now);
  const samples = createSamples();
  const readAddress = createAddressReader(settings.socket);
  const origin = createOriginCheck(settings.socket);
  const outside = createOutside(settings.limits.outsideMax, now);
  const limits = createLimits(settings.limits, { now, polling: view.polling });
  const overload = createOverloadMonitor(settings.overload, {
    sample: needs.sample,
    now,
    every,
    connections: view.connections,
    log,
  });
  const limited = (limit: SocketLimit): void => {
    samples.limited[limit]++;
  };
  const bounds = createBounds(io, settings.limits, {
    ...{ log, limited, now, handlerFailed: needs.handlerFailed },
  });
  const guards = createGuards(needs.handlerFailed);
  const auth = createAuth(settings.auth, needs.production, {
    now: Date.now,
    ticks: now,
    timer: after,
    log,
    fetched: (result) => samples.keySetFetches[result]++,
    authenticated(result, seconds) {
      samples.authenticated[result] = (samples.authenticated[result] ?? 0) + 1;
      needs.authenticatedIn(seconds);
    },
  });
  let toldOfProxy = settings.socket.trustProxy.length > 0;
  const unguard = guardNamespaces(io, {
    ...{ bounds, auth, guards, log, now, recovering: needs.recovering },
  });

  function judge(request: DoorRequest): OverLimit | undefined {
    if (!origin.allows(request)) return { code: "ORIGIN_FORBIDDEN" };
    const first = namesNoSession(request._query);
    if (first && overload.isActive("refuse")) {
      return { code: "OVERLOADED", retryAfterMs: settings.overload.retryAfterMs };
    }
    const { url, headers, connection } = request;
    const transport = request._query.transport ?? "";
    const key = limitKeyOf(connection.remoteAddress);
    const found = limits.refusal({ url, headers, transport, first }, key);
    return found ?? (first && outside.isFull() ? OUTSIDE : undefined);
  }

  /** The limit that one more connection would be over. */
  function full({ _query, connection }: DoorRequest): OverLimit | undefined {
    const key = limitKeyOf(connection.remoteAddress);
    const found = limits.full(_query.transport ?? "", key);
    return found ?? (outside.isFull() ? OUTSIDE : undefined);
  }

  function refuse({ code, retryAfterMs }: OverLimit, request: DoorRequest): Refusal {
    const about = code === "ORIGIN_FORBIDDEN" ? origin.tell(request) : {};
    const address = request.connection.remoteAddress;
    const fields = { room: "socket", code, address, ...about };
    log("warn", code, fields, `request refused: ${FAILURES[code].text}`);
    const { status, text: message } = FAILURES[code];
    if (retryAfterMs === undefined) return { code, status, message };
    const waitMs = retryAfterMs * (1 + Math.random() * JITTER);
    return { code, status, message, retryAfterS: Math.ceil(waitMs / 1000) };
  }

  /** Said once: with a proxy nobody named, all clients look like one to the limits. */
  function tellOfProxy(): void {
    toldOfProxy = true;
    const text = "X-Forwarded-For is ignored: name your proxy in socket.trustProxy, if it is yours";
    needs.log("warn", { room: "socket" }, text);
  }

  return {
    admit(request) {
      const { headers, connection } = request;
      if (!toldOfProxy && headers["x-forwarded-for"] !== undefined) tellOfProxy();
      connection.remoteAddress = readAddress({
        headers,
        address: connection.remoteAddress,
        proxiedAddress: connection.proxiedAddress ?? "",
      });
      const found = judge(request);
      return found && refuse(found, request);
    },
    fit(request) {
      const found = full(request);
      return found && refuse(found, request);
    },
    refusing() {
      if (overload.isActive("refuse")) return "OVERLOADED";
      const full = limits.fullForAll(settings.socket.transports);
      return full ?? (outside.refuses() ? OUTSIDE.code : undefined);
    },
    headers: origin.headers,
    preflight: origin.preflight,
    opened(connection) {
      connection.heardAt = now();
      auth?.opened(connection);
      connection.allowance = limits.opened(limitKeyOf(connection.remoteAddress));
      outside.add(connection);
    },
    joined: outside.delete,
    closed(connection) {
      limits.closed(limitKeyOf(connection.remoteAddress));
      outside.delete(connection);
    },
    take(connection, bytes, message) {
      const at = now();
      if (message) connection.heardAt = at;
      if (!connection.allowance) return "ok";
      const toll = limits.take(connection.allowance, bytes, at);
      if (toll !== "ok") {
        const { code } = limits.owed(connection.allowance);
        limited(code === "LIMIT_EVENTS" ? "events" : "bytes");
        log("warn", code, { room: "socket", code, toll }, "a connection is over its rate");
      }
      return toll;
    },
    guard: guards.engine,
    owed: ({ allowance }) => (allowance ? limits.owed(allowance).code : "LIMIT_EVENTS"),
    samples: {
      ...samples,
      tokensWatched: () => auth?.watched ?? 0,
      outside: () => outside.size,
      stages: () => STAGES.map((stage) => [stage, Number(overload.isActive(stage))] as const),
    },
    stop() {
      unguard();
      overload.stop();
      bounds.stop();
      auth?.stop();
    },
  };
}

function createSamples(): Omit<DoorSamples, "stages" | "tokensWatched" | "outside"> {
  return {
    limited: zeros(SOCKET_LIMITS),
    authenticated: zeros(AUTH_RESULTS),
    keySetFetches: zeros(["answered", "failed"] as const),
  };
}

function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref();
  return () => clearInterval(timer);
}

function after(ms: number, fire: () => void): () => void {
  const timer = setTimeout(fire, ms).unref();
  return () => clearTimeout(timer);
}
