import type { Server } from "socket.io";
import { type Api, createApi } from "../api/api.ts";
import type { DeadLetters } from "../api/commands.ts";
import type { CheckToken } from "../api/grants.ts";
import { createValueCodec } from "../codec/values.ts";
import { COMMAND_LIMITS } from "../core/commands.ts";
import type { FailureCode } from "../core/failures.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { type SettingProblem, type Settings, SettingsError } from "../core/settings.ts";
import type { Tracer } from "../core/trace.ts";
import { createTokenCheck } from "../door/tokens.ts";
import type { Executor } from "../fanout/apply.ts";
import type { Http } from "../host/http.ts";
import type { Metrics } from "../metrics/registry.ts";
import { listApiRows } from "./metric-rows.ts";

/** What {@link serveApi} needs. */
export interface ServeNeeds {
  readonly io: Server;
  readonly http: Http;
  readonly executor: Executor;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly trace: Tracer | undefined;
  readonly version: string;
  /** Requests by `route status`; those that have no route are counted by the caller. */
  readonly requests: Record<string, number>;
  isDraining(): boolean;
  refusing(): FailureCode | undefined;
  /** Why commands cannot be executed now, such as an unreachable cluster. */
  ready?(): FailureCode | undefined;
  readonly deadLetters?: DeadLetters | undefined;
}

/** A body holds a whole batch, so its limits are those of all its commands together. */
const BODY_LIMITS = {
  depthMax: COMMAND_LIMITS.depthMax + 3,
  elementsMax: 1_000_000,
  nameBytesMax: 65_536,
  attachmentsMax: COMMAND_LIMITS.batchMax * COMMAND_LIMITS.binariesMax,
};

/** Adds the API's routes to an app. Throws `SettingsError` for keys that cannot be used. */
export function serveApi(settings: Settings, needs: ServeNeeds): Api {
  const { executor, metrics, log, requests } = needs;
  const api = createApi(settings.api, {
    ...{ route: needs.http.route, apply: executor.apply, rooms: executor.rooms },
    packer: createValueCodec({ ...BODY_LIMITS, packetBytesMax: settings.api.bodyBytesMax }),
    log,
    trace: needs.trace,
    scrape: metrics.scrape,
    ready: () => needs.ready?.(),
    isDraining: needs.isDraining,
    refusing: needs.refusing,
    checkToken: createApiTokenCheck(settings, log),
    deadLetters: needs.deadLetters,
    answered(route, status, seconds) {
      const key = `${route} ${status === 0 ? "aborted" : status}`;
      requests[key] = (requests[key] ?? 0) + 1;
      metrics.observe("sluice_api_request_seconds", seconds, { route });
    },
    version: needs.version,
    metricsPath: settings.metrics.path,
    now: Date.now,
  });
  const commands = executor.samples;
  metrics.source(() => listApiRows({ api: api.samples(), requests, commands }));
  return api;
}

const JWT_SETTINGS = {
  "auth.secret": "api.jwtSecret",
  "auth.publicKey": "api.jwtPublicKey",
  "auth.jwksUrl": "api.jwtJwksUrl",
} as const;

/** Returns a problem of a setting of clients as one of the API's own. */
function renamed({ path, value, bound }: SettingProblem): SettingProblem {
  const rename = (text: string) =>
    Object.entries(JWT_SETTINGS).reduce((all, [from, to]) => all.replaceAll(from, to), text);
  if (path !== "auth.mode") return { path: rename(path), value, bound: rename(bound) };
  // Several keys are set: each of them is one too many.
  return { path: "api.jwtSecret", value: "(secret)", bound: rename(bound) };
}

/**
 * Returns the check of tokens for the API, as for clients, with its own keys, issuer and audience;
 * undefined if no key is set. Throws `SettingsError`.
 */
export function createApiTokenCheck({ auth, api }: Settings, log: Log): CheckToken | undefined {
  const { jwtSecret: secret, jwtPublicKey: publicKey, jwtJwksUrl: jwksUrl } = api;
  if (secret === "" && publicKey === "" && jwksUrl === "") return undefined;
  const own = {
    ...{ secret, publicKey, jwksUrl, algorithms: [], userClaim: "sub" },
    issuer: api.jwtIssuer === "" ? [] : [api.jwtIssuer],
    audience: [api.jwtAudience],
  };
  const ticks = () => performance.now();
  try {
    return createTokenCheck(
      { ...auth, ...own },
      { now: Date.now, ticks, log: createThrottle(log, ticks), fetched() {} },
    );
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new SettingsError(error.problems.map(renamed));
  }
}
