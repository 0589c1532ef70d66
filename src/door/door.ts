import type { Server } from "socket.io";
import type { HandlerFailed } from "../core/handler.ts";
import { createThrottle, type Log, type ThrottledLog } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { zeros } from "../core/zeros.ts";
import { checkSocketIo } from "../seam/socket-io-inside.ts";
import { limitKeyOf } from "./address.ts";
import { AUTH_RESULTS, type AuthResult, createAuth } from "./auth.ts";
import { createBounds, SOCKET_LIMITS, type SocketLimit } from "./bounds.ts";
import { type Guards, guardNamespaces, type Recovering } from "./entry.ts";
import type { TokenConnection } from "./grants.ts";
import { createLimits, createOutside, type OutsideConnection } from "./limits.ts";
import { createOverload, type Load, type Sheddable, STAGES, type Stage } from "./overload.ts";
import type { Allowance } from "./rates.ts";
import { createRequestChecks } from "./request-checks.ts";

/** The parts of a connection that the door uses. */
export interface DoorConnection extends TokenConnection, OutsideConnection {
  readonly remoteAddress: string;
}

/** The door's counts. */
export interface DoorSamples {
  readonly limited: Record<SocketLimit, number>;
  readonly authenticated: Record<AuthResult, number>;
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

/**
 * Returns the door of one Socket.IO server. It checks origin, overload and limits before a
 * connection exists, rate limits while it is open, and limits and authentication on every namespace
 * it enters.
 *
 * Throws `SettingsError` for settings that do not work together, such as a mode without its key.
 */
export function createDoor(
  io: Server,
  settings: Pick<Settings, "socket" | "auth" | "limits" | "overload">,
  needs: DoorNeeds,
) {
  checkSocketIo(io);
  const { handlerFailed, guards, recovering, load, connections } = needs;
  const now = () => performance.now();
  const log = createThrottle(needs.log, now);
  const counts = {
    limited: zeros(SOCKET_LIMITS),
    authenticated: zeros(AUTH_RESULTS),
    keySetFetches: zeros(["answered", "failed"] as const),
  };
  const limited = (limit: SocketLimit): void => {
    counts.limited[limit]++;
  };
  const limits = createLimits(settings.limits, { now, polling: needs.polling });
  const outside = createOutside(settings.limits.outsideMax, now);
  const overload = createOverload(settings.overload, { load, connections, now, log });
  const checks = createRequestChecks(settings, {
    ...{ limits, outside, overload, log: needs.log, throttledLog: log },
  });
  const bounds = createBounds(io, settings.limits, { log, limited, now, handlerFailed });
  const auth = settings.auth.mode === "jwt" ? createTokenAuth() : undefined;
  const unguard = guardNamespaces(io, { bounds, auth, guards, log, now, recovering });
  const rated = { limits, limited, log };
  const samples: DoorSamples = {
    ...counts,
    tokensWatched: () => auth?.watched() ?? 0,
    outside: () => outside.size,
    stages: () => STAGES.map((stage) => [stage, Number(overload.isActive(stage))] as const),
  };

  function createTokenAuth() {
    return createAuth(settings.auth, {
      ...{ now: Date.now, ticks: now, log },
      fetched: (result) => counts.keySetFetches[result]++,
      authenticated(result, seconds) {
        counts.authenticated[result]++;
        needs.authenticatedIn(seconds);
      },
    });
  }

  return {
    ...checks,
    samples,
    opened(connection: DoorConnection) {
      auth?.opened(connection);
      outside.add(connection);
      const allowance = limits.opened(limitKeyOf(connection.remoteAddress));
      return allowance && createTake(allowance, rated);
    },
    joined: outside.delete,
    check: (connection: DoorConnection) => auth?.check(connection),
    closed(connection: DoorConnection): void {
      limits.closed(limitKeyOf(connection.remoteAddress));
      outside.delete(connection);
    },
    begin: overload.begin,
    stop(): void {
      unguard();
      overload.stop();
      bounds.stop();
      auth?.stop();
    },
  };
}

/** Returns the function that takes the packets of one connection from its rate limits. */
function createTake(
  allowance: Allowance,
  needs: {
    readonly limits: ReturnType<typeof createLimits>;
    readonly log: ThrottledLog;
    limited(limit: SocketLimit): void;
  },
) {
  return (bytes: number, nowMs: number) => {
    const verdict = needs.limits.take(allowance, bytes, nowMs);
    if (verdict === "ok") return undefined;
    const { code } = needs.limits.exceeded(allowance);
    needs.limited(code === "LIMIT_EVENTS" ? "events" : "bytes");
    needs.log("warn", code, { component: "door", code, verdict }, "a connection is over its rate");
    return { code, verdict };
  };
}
