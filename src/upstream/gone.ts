import type { Route } from "./routes.ts";

/** Which functions answered 410 Gone, and are not called for a while. */
export interface Gone {
  /** Whether a route is not to be called now. */
  has(route: Route): boolean;
  /** A request to a route begins; returns whether it probes a function that was gone. */
  begin(route: Route): boolean;
  /** A function answered 410. Returns whether that was not known. */
  add(route: Route): boolean;
  /** A probe ended otherwise. */
  probed(route: Route, isAnswered: boolean): void;
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
  const gone = new Map<Route, { until: number; isProbed: boolean }>();
  return {
    has(route) {
      const state = gone.get(route);
      return state !== undefined && (state.isProbed || now() < state.until);
    },
    begin(route) {
      const state = gone.get(route);
      if (!state || state.isProbed || now() < state.until) return false;
      state.isProbed = true;
      return true;
    },
    add(route) {
      const isNew = !gone.has(route);
      gone.set(route, { until: now() + goneMs, isProbed: false });
      return isNew;
    },
    probed(route, isAnswered) {
      if (isAnswered) gone.delete(route);
      else gone.set(route, { until: now(), isProbed: false });
    },
    revive: (route) => gone.delete(route),
    get count() {
      return gone.size;
    },
  };
}
