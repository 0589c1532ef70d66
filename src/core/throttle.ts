import type { Log, LogFields, LogLevel } from "./log.ts";

/**
 * Returns a log that writes at most one line per `kind` and second; the next line that is written
 * carries how many were held back as `suppressed`.
 *
 * For whatever a client can cause: without it a flood of refusals becomes a flood of lines. Kinds
 * come from closed unions, so the memory is bounded; `now` is a monotonic clock in milliseconds.
 */
export function createThrottle(log: Log, now: () => number): ThrottledLog {
  const kinds = new Map<string, { at: number; suppressed: number }>();
  return (level, kind, fields, text) => {
    const at = now();
    const last = kinds.get(kind);
    if (last && at - last.at < 1000) {
      last.suppressed++;
      return;
    }
    kinds.set(kind, { at, suppressed: 0 });
    log(level, last?.suppressed ? { ...fields, suppressed: last.suppressed } : fields, text);
  };
}

/** Writes one line per kind and second at most. */
export type ThrottledLog = (level: LogLevel, kind: string, fields: LogFields, text: string) => void;
