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

/**
 * Returns how long to wait before attempt `attempt` + 1: anything from 0 to a bound that doubles
 * (full jitter), so that the retries of many sockets spread out.
 */
export function backoff(
  attempt: number,
  { retryMs, retryMsMax }: { readonly retryMs: number; readonly retryMsMax: number },
  random: () => number = Math.random,
): number {
  return random() * Math.min(retryMsMax, retryMs * 2 ** Math.min(attempt - 1, 30));
}
