/** Whether an origin may be called. */
export type BreakerState = "closed" | "half-open" | "open";

/** What a breaker is bounded by. */
export interface BreakerSettings {
  readonly breakerPercent: number;
  readonly breakerCallsMin: number;
  readonly breakerWindowMs: number;
  readonly breakerOpenMs: number;
}

/** Keeps calls away from an origin that fails. */
export interface Breaker {
  readonly state: BreakerState;
  /** Times it has opened. */
  readonly opened: number;
  /** When it may be probed; 0 while it is closed. */
  readonly openUntil: number;
  /** Whether a call may begin now; half-open it lets one probe in at a time. */
  admits(): boolean;
  /** A call begins; returns what is to be called once with its end. */
  begin(): (result: "ok" | "failed" | "unknown") => void;
}

/**
 * Returns a closed breaker. It opens when at least `breakerCallsMin` calls ended within the window
 * and `breakerPercent` of them failed; after `breakerOpenMs` one call at a time probes the origin,
 * and the first that succeeds closes it. `now` is a monotonic clock in milliseconds.
 */
export function createBreaker(settings: BreakerSettings, now: () => number): Breaker {
  // Two half windows: what is counted is between half a window and a whole one old.
  let calls = 0;
  let failures = 0;
  let earlier = { calls: 0, failures: 0 };
  let since = now();
  let state: BreakerState = "closed";
  let openUntil = 0;
  let opened = 0;
  let probing = false;
  // Calls that began before it opened say nothing about the origin's recovery.
  let era = 0;

  function forget(): void {
    calls = 0;
    failures = 0;
    earlier = { calls: 0, failures: 0 };
    since = now();
  }

  function roll(): void {
    const age = now() - since;
    const half = settings.breakerWindowMs / 2;
    if (age < half) return;
    earlier = age < 2 * half ? { calls, failures } : { calls: 0, failures: 0 };
    calls = 0;
    failures = 0;
    since = now();
  }

  function open(): void {
    state = "open";
    opened++;
    era++;
    openUntil = now() + settings.breakerOpenMs;
    forget();
  }

  function count(failed: boolean): void {
    roll();
    calls++;
    if (!failed) return;
    failures++;
    const all = calls + earlier.calls;
    const bad = failures + earlier.failures;
    if (all >= settings.breakerCallsMin && bad * 100 >= settings.breakerPercent * all) open();
  }

  function look(): BreakerState {
    if (state === "open" && now() >= openUntil) state = "half-open";
    return state;
  }

  return {
    get state() {
      return look();
    },
    get opened() {
      return opened;
    },
    get openUntil() {
      return state === "closed" ? 0 : openUntil;
    },
    admits: () => look() === "closed" || (state === "half-open" && !probing),
    begin() {
      const mine = era;
      const probe = look() === "half-open";
      if (probe) probing = true;
      return (result) => {
        if (probe) probing = false;
        if (result === "unknown" || mine !== era) return;
        if (!probe) count(result === "failed");
        else if (result === "failed") open();
        else {
          state = "closed";
          era++;
          forget();
        }
      };
    },
  };
}
