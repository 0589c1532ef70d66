import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import { backoff } from "./budget.ts";
import type { Clock } from "./clock.ts";
import { binaryHeaders, structuredEvent } from "./cloud-event.ts";
import { createOriginCalls, type OriginCalls } from "./origin-calls.ts";
import type { Failed, Outcome } from "./outcome.ts";
import type { Post } from "./post.ts";
import type { CallRequest } from "./request.ts";
import type { Route, Routes } from "./routes.ts";
import type { CallSeen, CallType } from "./samples.ts";
import type { Sign } from "./sign.ts";

/** Brings requests to functions: one attempt, or as many as are allowed. */
export interface Courier {
  /** Delivers a request; `done` is called once, later, with how its last attempt ended. */
  deliver(request: CallRequest, done: Done): void;
  /** Whether what failed so, after so many attempts of its own, is to be tried again. */
  mayRetry(failed: Failed, attempts: number): boolean;
  /** Calls back after a wait between attempts; at once when everything is to end. */
  later(attempt: number, then: () => void): void;
  readonly origins: readonly OriginCalls[];
  /** Whether a function answered that it is gone. */
  isGone(route: Route): boolean;
  /** Calls a function again that was gone. */
  revive(route: Route): void;
  readonly goneCount: number;
  /** From now on nothing is tried again after a failure, and nobody waits for another attempt. */
  hurry(): void;
  close(): Promise<void>;
}

/** Hears how a request's last attempt ended; returns why its answer cannot be read. */
type Done = (outcome: Outcome) => FailureCode | undefined;

/** What a courier needs. */
export interface CourierNeeds {
  readonly clock: Clock;
  readonly sign: Sign;
  readonly seen: CallSeen;
  /** An origin's breaker opened. */
  opened(origin: string): void;
  /** A function answered 410. */
  gone(route: Route): void;
}

/**
 * Returns the courier of the settings' origins.
 *
 * Requests nobody waits for are tried up to `attemptsMax` times, with full jitter and within the
 * origin's retry budget; a retry the budget does not cover waits longer instead of counting. The
 * others are tried once.
 */
export function createCourier(
  settings: Settings["upstream"],
  routes: Routes,
  needs: CourierNeeds,
): Courier {
  const { clock, seen } = needs;
  const origins = new Map<string, OriginCalls>();
  for (const { origin } of routes.all) {
    if (origins.has(origin)) continue;
    origins.set(
      origin,
      createOriginCalls(origin, settings, { clock, opened: () => needs.opened(origin) }),
    );
  }
  const gone = new Set<Route>();
  const waits = new Map<NodeJS.Timeout, () => void>();
  let hurried = false;

  function later(attempt: number, then: () => void): void {
    const timer = setTimeout(
      () => {
        waits.delete(timer);
        then();
      },
      hurried ? 0 : backoff(attempt, settings),
    );
    waits.set(timer, then);
  }

  function deliver(request: CallRequest, done: Done): void {
    const calls = origins.get(request.route.origin);
    if (!calls) throw new Error(`${request.route.origin} is no origin of the settings`);
    attempt(request, calls, done);
  }

  function attempt(request: CallRequest, calls: OriginCalls, done: Done): void {
    const [first] = request.items;
    const { deadline } = first ?? {};
    const urgent = deadline !== undefined;
    let begunAt = 0;
    const leave = calls.call({
      urgent,
      retry: request.attempts > 0,
      whyNot() {
        // The 410 may come while this waits in the line, or for another attempt.
        if (gone.has(request.route)) return "UPSTREAM_GONE";
        // Timers may be late, and a function would do what its client is told it did not.
        return urgent && deadline - clock.now() < 1 ? "UPSTREAM_TIMEOUT" : undefined;
      },
      build() {
        if (request.attempts++ > 0) seen.retried();
        for (const item of request.items) item.attempts++;
        begunAt = clock.now();
        const left = (deadline ?? begunAt + settings.timeoutMs) - begunAt;
        return build(request, left, needs.sign);
      },
      done(outcome) {
        const seconds = (clock.now() - begunAt) / 1000;
        if (!outcome.ok && outcome.code === "UPSTREAM_GONE" && !gone.has(request.route)) {
          gone.add(request.route);
          needs.gone(request.route);
        }
        const again = !outcome.ok && !urgent && !request.once;
        // Its members may have come with attempts of their own: each counts for itself.
        const retried = again && request.items.every((item) => mayRetry(outcome, item.attempts));
        const unread = retried ? undefined : done(outcome);
        if (begunAt > 0) seen.called(kindOf(request), unread ?? codeOf(outcome), seconds);
        if (retried) retry(request, calls, done);
      },
    });
    if (first && urgent) first.leave = leave;
  }

  function mayRetry({ code }: Failed, attempts: number): boolean {
    return !hurried && attempts < settings.attemptsMax && FAILURES[code].retry;
  }

  function retry(request: CallRequest, calls: OriginCalls, done: Done): void {
    later(request.attempts, () => {
      if (!hurried && !calls.takeRetry()) return retry(request, calls, done);
      attempt(request, calls, done);
    });
  }

  return {
    deliver,
    mayRetry,
    later,
    origins: [...origins.values()],
    isGone: (route) => gone.has(route),
    revive: (route) => void gone.delete(route),
    get goneCount() {
      return gone.size;
    },
    hurry() {
      hurried = true;
      for (const [timer, then] of [...waits]) {
        clearTimeout(timer);
        waits.delete(timer);
        then();
      }
    },
    async close() {
      await Promise.all([...origins.values()].map((calls) => calls.close()));
    },
  };
}

/** Builds one attempt's request: its signature holds the time. */
function build(request: CallRequest, timeoutMs: number, sign: Sign): Post {
  const [first] = request.items;
  const text = request.batch
    ? `[${request.items.map(({ event }) => structuredEvent(event)).join(",")}]`
    : (first?.event.data ?? "");
  const body = Buffer.from(text, "utf8");
  const { timestamp, signature } = sign(request.id, body);
  const headers = request.batch || !first ? batchHeaders() : binaryHeaders(first.event);
  headers.push("accept-encoding", "identity", "user-agent", "sluice", "webhook-id", request.id);
  headers.push("webhook-timestamp", timestamp, "webhook-signature", signature);
  return { path: request.path, headers, body, timeoutMs: Math.ceil(timeoutMs) };
}

function batchHeaders(): string[] {
  return ["content-type", "application/cloudevents-batch+json"];
}

function codeOf(outcome: Outcome): FailureCode | undefined {
  return outcome.ok ? undefined : outcome.code;
}

function kindOf(request: CallRequest): CallType {
  return request.batch ? "batch" : (request.items[0]?.event.kind ?? "event");
}
