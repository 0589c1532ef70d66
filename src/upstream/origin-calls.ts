import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import { type BreakerState, createBreaker } from "./breaker.ts";
import { createRetryBudget } from "./budget.ts";
import type { Clock } from "./clock.ts";
import { createLine } from "./line.ts";
import { healthOf, judge, type Outcome } from "./outcome.ts";
import { createPoster, type Post } from "./post.ts";

/** One attempt that wants to be made. */
export interface Attempt {
  /** Whether somebody waits for it: then it is refused at once while the origin is left alone. */
  readonly urgent: boolean;
  /** Whether it repeats one. */
  readonly retry: boolean;
  /** Why it is not to be made any more. Asked when it comes, and again when its turn has come. */
  whyNot(): FailureCode | undefined;
  /** Builds the request when its turn has come: its signature holds the time. */
  build(): Post;
  /** Called once, never before `call` has returned. */
  done(outcome: Outcome): void;
}

/** The calls to one origin, and what they share: connections, breaker, retry budget. */
export interface OriginCalls {
  readonly name: string;
  readonly breaker: BreakerState;
  readonly opened: number;
  readonly inflight: number;
  readonly waiting: number;
  /** Makes an attempt as soon as it may be; returns what takes it back while it still waits. */
  call(attempt: Attempt): () => void;
  /** Takes one retry out of the budget; false when there is none now. */
  takeRetry(): boolean;
  /** Ends every connection; whatever is open or waits ends as UPSTREAM_STOPPING. */
  close(): Promise<void>;
}

/** What an origin tells. */
export interface OriginNeeds {
  readonly clock: Clock;
  /** The breaker opened. */
  opened(): void;
}

interface Ticket {
  readonly attempt: Attempt;
  leave(): void;
}

type UpstreamSettings = Settings["upstream"];

/**
 * Returns the calls to one origin: at most `inflightMax` open at once, the others in one line in
 * the order they came.
 *
 * While its breaker is open, or it asked to be left alone, urgent attempts are refused at once,
 * those in the line included; the others wait. An origin that hangs holds up nobody of another
 * origin.
 */
export function createOriginCalls(
  name: string,
  settings: UpstreamSettings,
  { clock, opened }: OriginNeeds,
): OriginCalls {
  const poster = createPoster(name, settings);
  const breaker = createBreaker(settings, clock.now);
  const budget = createRetryBudget(settings.retryBudgetPercent, clock.now);
  const line = createLine<Ticket>();
  const open = new Set<() => void>();
  let pausedUntil = 0;
  let wake: NodeJS.Timeout | undefined;
  let pumping = false;
  let closed = false;

  function whyNot(): FailureCode | undefined {
    if (closed) return "UPSTREAM_STOPPING";
    if (clock.now() < pausedUntil) return "UPSTREAM_PAUSED";
    return breaker.admits() ? undefined : "UPSTREAM_OPEN";
  }

  function refuse(attempt: Attempt, code: FailureCode): void {
    queueMicrotask(() => attempt.done({ ok: false, code }));
  }

  function pump(): void {
    // A request that fails at once would come back in here from its own beginning.
    if (pumping) return;
    pumping = true;
    while (line.length > 0 && open.size < settings.inflightMax && whyNot() === undefined) {
      const attempt = line.shift()?.attempt;
      const why = attempt?.whyNot();
      if (attempt && why) refuse(attempt, why);
      else if (attempt) start(attempt);
    }
    pumping = false;
    if (line.length > 0 && !closed) wakeLater();
  }

  // While it is left alone no call ends, so nothing else would look at the line again.
  function wakeLater(): void {
    const at = Math.max(pausedUntil, breaker.openUntil);
    const now = clock.now();
    if (at <= now || wake) return;
    wake = setTimeout(
      () => {
        wake = undefined;
        pump();
      },
      Math.ceil(at - now) + 1,
    );
  }

  function start(attempt: Attempt): void {
    if (!attempt.retry) budget.earn();
    const ended = breaker.begin();
    const cut = poster.post(attempt.build(), (posted) => {
      open.delete(cut);
      const outcome = judge(posted, clock.wall());
      const before = breaker.opened;
      ended(healthOf(outcome));
      if (!outcome.ok && outcome.pauseMs !== undefined) pause(outcome.pauseMs);
      if (breaker.opened > before) opened();
      if (whyNot() !== undefined) dismissUrgent();
      attempt.done(outcome);
      pump();
    });
    open.add(cut);
  }

  function pause(forMs: number): void {
    const until = clock.now() + Math.min(forMs, settings.retryAfterMsMax);
    pausedUntil = Math.max(pausedUntil, until);
  }

  function dismissUrgent(): void {
    const code = whyNot() ?? "UPSTREAM_OPEN";
    // Half-open, one who waits will be the probe and the others may yet find it healthy.
    if (code === "UPSTREAM_OPEN" && breaker.state === "half-open") return;
    for (const { attempt, leave } of line.values()) {
      if (!attempt.urgent) continue;
      leave();
      refuse(attempt, code);
    }
  }

  return {
    name,
    get breaker() {
      return breaker.state;
    },
    get opened() {
      return breaker.opened;
    },
    get inflight() {
      return open.size;
    },
    get waiting() {
      return line.length;
    },
    call(attempt) {
      const why = attempt.whyNot() ?? (attempt.urgent || closed ? whyNot() : undefined);
      if (why !== undefined) {
        refuse(attempt, why);
        return () => {};
      }
      const ticket: Ticket = { attempt, leave: () => {} };
      ticket.leave = line.push(ticket);
      pump();
      return ticket.leave;
    },
    takeRetry: () => budget.take(),
    async close() {
      closed = true;
      clearTimeout(wake);
      for (let next = line.shift(); next; next = line.shift()) {
        refuse(next.attempt, "UPSTREAM_STOPPING");
      }
      for (const cut of [...open]) cut();
      await poster.close();
    },
  };
}
