/** How late this process' event loop was, in microseconds. */
export interface Lag {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** Measures how late timers fire, which is how late everything else in the process is. */
export interface LagProbe {
  /** Begins, or begins again. Nothing runs before. */
  start(): void;
  /** Ends and tells what was seen since the start. */
  stop(): Lag;
}

/** Samples kept; at 10 ms each this is more than a run lasts. */
const SAMPLES_MAX = 60_000;

/**
 * Returns a probe that looks every `everyMs`. It does not keep the process alive.
 *
 * A loop that stands still misses looks, and each of those would have found it late: they are
 * filled in, so that a percentile is that of a message that comes at any moment.
 */
export function createLagProbe(everyMs: number): LagProbe {
  let samples: number[] = [];
  let due = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const now = performance.now();
    for (const late of lookBack(now - due, everyMs)) {
      if (samples.length < SAMPLES_MAX) samples.push(late * 1000);
    }
    due = now + everyMs;
  };
  return {
    start() {
      samples = [];
      due = performance.now() + everyMs;
      clearInterval(timer);
      timer = setInterval(look, everyMs).unref();
    },
    stop() {
      clearInterval(timer);
      const sorted = samples.sort((a, b) => a - b);
      const at = (q: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
      return { p50Us: at(0.5), p99Us: at(0.99), maxUs: sorted.at(-1) ?? 0 };
    },
  };
}

/** How late the look was, and the ones missed before it (HdrHistogram's expected interval). */
export function lookBack(lateMs: number, everyMs: number): number[] {
  const all = [Math.max(0, lateMs)];
  for (let missed = lateMs - everyMs; missed > 0; missed -= everyMs) all.push(missed);
  return all;
}
