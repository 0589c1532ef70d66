import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { Log, ThrottledLog } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { createAddressReader, limitKeyOf } from "./address.ts";
import type { createLimits, createOutside, OverLimit } from "./limits.ts";
import { createOriginCheck } from "./origin.ts";
import type { createOverload } from "./overload.ts";

/** The parts of a request that the door reads. */
export interface DoorRequest {
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Characters of the names and values of all headers. */
  readonly headerBytes: number;
  readonly _query: Readonly<Record<string, string>>;
  readonly connection: { remoteAddress: string; readonly proxiedAddress?: string };
}

const OUTSIDE: OverLimit = { code: "LIMIT_OUTSIDE", retryAfterMs: 1000 };
/**
 * Up to this share is added at random to the retry time of a refusal, so that refused clients do
 * not all come back at once.
 */
const JITTER = 0.5;

/** Returns the checks of a request: they decide whether it may become a connection. */
export function createRequestChecks(
  settings: Pick<Settings, "socket" | "overload">,
  needs: {
    readonly limits: ReturnType<typeof createLimits>;
    readonly outside: ReturnType<typeof createOutside>;
    readonly overload: ReturnType<typeof createOverload>;
    readonly log: Log;
    readonly throttledLog: ThrottledLog;
  },
) {
  const { limits, outside, overload, log, throttledLog } = needs;
  const readAddress = createAddressReader(settings.socket);
  const isBehindProxy = settings.socket.trustProxy.length > 0 || settings.socket.proxyProtocol;
  const origin = createOriginCheck(settings.socket);
  let isProxyKnown = settings.socket.trustProxy.length > 0;

  function check(request: DoorRequest, first: boolean): OverLimit | undefined {
    if (!origin.allows(request)) return { code: "ORIGIN_FORBIDDEN" };
    if (first && overload.isActive("refuse")) {
      return { code: "OVERLOADED", retryAfterMs: settings.overload.retryAfterMs };
    }
    const { url, headerBytes, connection } = request;
    const transport = request._query.transport ?? "";
    const key = limitKeyOf(connection.remoteAddress);
    const found = limits.refusal({ url, headerBytes, transport, first }, key);
    return found ?? (first && outside.isFull() ? OUTSIDE : undefined);
  }

  function refuse({ code, retryAfterMs }: OverLimit, request: DoorRequest) {
    const about = code === "ORIGIN_FORBIDDEN" ? origin.describe(request) : {};
    const address = request.connection.remoteAddress;
    const fields = { component: "door", code, address, ...about };
    throttledLog("warn", code, fields, `request refused: ${FAILURES[code].text}`);
    return createRefusal(code, retryAfterMs);
  }

  /** Logged once: if a proxy is not configured, all clients share one address for the limits. */
  function warnOfProxy(): void {
    isProxyKnown = true;
    const text = "X-Forwarded-For is ignored: name your proxy in socket.trustProxy, if it is yours";
    log("warn", { component: "door" }, text);
  }

  return {
    headers: origin.headers,
    preflight: origin.preflight,
    admit(request: DoorRequest, first: boolean) {
      const { headers, connection } = request;
      if (!isProxyKnown && headers["x-forwarded-for"] !== undefined) warnOfProxy();
      if (isBehindProxy) {
        const { remoteAddress: address, proxiedAddress = "" } = connection;
        connection.remoteAddress = readAddress({ headers, address, proxiedAddress });
      }
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
