import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import { healthOf, judge, type Verdict } from "./answer.ts";
import { type BreakerState, createBreaker, createRetryBudget } from "./breaker.ts";
import type { Clock } from "./call.ts";
import { createLine } from "./line.ts";
import { createPoster, type Post } from "./post.ts";

/** One attempt that wants to be made. */
export interface Attempt {
  /** Whether somebody waits for it: then it is refused at once while the origin is left alone. */
  readonly urgent: boolean;
  readonly isRetry: boolean;
  /** Why it is not to be made any more. Asked when it comes, and again when its turn has come. */
  whyNot(): FailureCode | undefined;
  /** Writes the request when its turn has come. */
  post(): Post;
  /** Hears what came of the request, before another one is begun. */
  heard(verdict: Verdict): void;
}

/** An attempt that is made as soon as it may be. */
export interface Made {
  /** How it ended. Never rejects. */
  readonly verdict: Promise<Verdict>;
  /** Ends it as UPSTREAM_TIMEOUT while it still waits for its turn. */
  giveUp(): void;
}

/** One origin, and what its calls share: connections, breaker, retry budget. */
export interface Origin {
  readonly name: string;
  readonly breaker: BreakerState;
  readonly opened: number;
  readonly inflight: number;
  readonly waiting: number;
  make(attempt: Attempt): Made;
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
  resolve(verdict: Verdict): void;
  leave(): void;
}

type UpstreamSettings = Settings["upstream"];

/**
 * Returns an origin of functions: at most `inflightMax` calls open at once, the others in one
 * line in the order they came.
 *
 * While its breaker is open, or it asked to be left alone, urgent attempts are refused at once,
 * those in the line included; the others wait. An origin that hangs holds up nobody of another
 * origin.
 */
export function createOrigin(
  name: string,
  settings: UpstreamSettings,
  { clock, opened }: OriginNeeds,
): Origin {
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

  function pump(): void {
    // A request that fails at once would come back in here from its own beginning.
    if (pumping) return;
    pumping = true;
    while (line.length > 0 && open.size < settings.inflightMax && whyNot() === undefined) {
      const ticket = line.shift();
      const code = ticket?.attempt.whyNot();
      if (ticket && code) ticket.resolve({ ok: false, code });
      else if (ticket) start(ticket);
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

  function start({ attempt, resolve }: Ticket): void {
    if (!attempt.isRetry) budget.earn();
    const ended = breaker.begin();
    const cut = poster.post(attempt.post(), (posted) => {
      open.delete(cut);
      const verdict = judge(posted, clock.wall());
      const before = breaker.opened;
      ended(healthOf(verdict));
      if (!verdict.ok && verdict.pauseMs !== undefined) pause(verdict.pauseMs);
      if (breaker.opened > before) opened();
      if (whyNot() !== undefined) dismissUrgent();
      attempt.heard(verdict);
      resolve(verdict);
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
    for (const { attempt, leave, resolve } of line.values()) {
      if (!attempt.urgent) continue;
      leave();
      resolve({ ok: false, code });
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
    make(attempt) {
      const code = attempt.whyNot() ?? (attempt.urgent || closed ? whyNot() : undefined);
      if (code) return { verdict: Promise.resolve({ ok: false, code }), giveUp: () => {} };
      let giveUp = () => {};
      const verdict = new Promise<Verdict>((resolve) => {
        const ticket: Ticket = { attempt, resolve, leave: () => {} };
        ticket.leave = line.push(ticket);
        giveUp = () => {
          ticket.leave();
          resolve({ ok: false, code: "UPSTREAM_TIMEOUT" });
        };
      });
      pump();
      return { verdict, giveUp };
    },
    takeRetry: () => budget.take(),
    async close() {
      closed = true;
      clearTimeout(wake);
      for (let next = line.shift(); next; next = line.shift()) {
        next.resolve({ ok: false, code: "UPSTREAM_STOPPING" });
      }
      for (const cut of [...open]) cut();
      await poster.close();
    },
  };
}
