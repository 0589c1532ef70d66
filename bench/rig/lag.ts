/** How late this process' event loop was, in microseconds. */
export interface Lag {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** Measures how late timers fire, which is how late everything else in the process is. */
export interface LagProbe {
  /** Forgets what was seen so far. */
  reset(): void;
  read(): Lag;
  stop(): void;
}

/** Samples kept; at 10 ms each this is more than a run lasts. */
const SAMPLES_MAX = 60_000;

/** Returns a running probe that looks every `everyMs`. It does not keep the process alive. */
export function createLagProbe(everyMs: number): LagProbe {
  let samples: number[] = [];
  let due = performance.now() + everyMs;
  const timer = setInterval(() => {
    const now = performance.now();
    if (samples.length < SAMPLES_MAX) samples.push(Math.max(0, now - due) * 1000);
    due = now + everyMs;
  }, everyMs);
  timer.unref();
  return {
    reset() {
      samples = [];
      due = performance.now() + everyMs;
    },
    read() {
      const sorted = [...samples].sort((a, b) => a - b);
      const at = (q: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
      return { p50Us: at(0.5), p99Us: at(0.99), maxUs: sorted.at(-1) ?? 0 };
    },
    stop: () => clearInterval(timer),
  };
}
