import type { Route } from "./routes.ts";

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

/** Retries a second that are allowed however few calls there are. */
const RETRIES_PER_SECOND = 10;
/** What may be saved up. */
const RETRIES_MAX = 100;

/** Keeps retries a small share of an origin's calls, so that they cannot hold it down. */
export interface RetryBudget {
  /** A first attempt was made. */
  earn(): void;
  /** Takes one retry; false when none is left now. */
  take(): boolean;
}

/** Returns a full budget: `percent` of a retry is earned per call, and ten a second. */
export function createRetryBudget(percent: number, now: () => number): RetryBudget {
  // In hundredths, so that whole percents add up exactly.
  const max = RETRIES_MAX * 100;
  let left = max;
  let at = now();
  return {
    earn() {
      left = Math.min(max, left + percent);
    },
    take() {
      const time = now();
      left = Math.min(max, left + ((time - at) / 10) * RETRIES_PER_SECOND);
      at = time;
      if (left < 100) return false;
      left -= 100;
      return true;
    },
  };
}

/** A route that is not called, or by one request alone. */
interface GoneState {
  readonly until: number;
  isProbed: boolean;
}

/** Which functions answered 410 Gone, and are not called for a while. */
export interface Gone {
  /** Whether a route is not to be called now. */
  has(route: Route): boolean;
  /** A request to a route begins; returns what it probes if the function was gone. */
  begin(route: Route): GoneState | undefined;
  /**
   * A function answered 410. Returns whether that was not known. A probe that was under way when
   * its route was revived says nothing of the function as it is since.
   */
  add(route: Route, probed: GoneState | undefined): boolean;
  /** A probe ended otherwise. */
  probed(route: Route, probed: GoneState, isAnswered: boolean): void;
  /** Has a route called again; returns whether it was not. */
  revive(route: Route): boolean;
  readonly count: number;
}

/**
 * Returns no routes yet. After `goneMs` one call probes a function that was gone; as long as its
 * answer is not there the others are refused. Any answer but 410 ends it. `now` is a monotonic
 * clock.
 */
export function createGone(goneMs: number, now: () => number): Gone {
  const gone = new Map<Route, GoneState>();
  return {
    has(route) {
      const state = gone.get(route);
      return state !== undefined && (state.isProbed || now() < state.until);
    },
    begin(route) {
      const state = gone.get(route);
      if (!state || state.isProbed || now() < state.until) return undefined;
      state.isProbed = true;
      return state;
    },
    add(route, probed) {
      if (probed && gone.get(route) !== probed) return false;
      const isNew = !gone.has(route);
      gone.set(route, { until: now() + goneMs, isProbed: false });
      return isNew;
    },
    probed(route, probed, isAnswered) {
      if (isAnswered) gone.delete(route);
      else if (gone.get(route) === probed) gone.set(route, { until: now(), isProbed: false });
    },
    revive: (route) => gone.delete(route),
    get count() {
      return gone.size;
    },
  };
}
