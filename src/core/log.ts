/** Severity of a log line, in pino's names. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Writes one structured log line. `fields.component` names the source folder it comes from. A field
 * never holds a token or a payload.
 */
export type Log = (level: LogLevel, fields: LogFields, text: string) => void;

/** The fields of a log line besides its text. */
export interface LogFields {
  /** The folder of the sources that the line comes from. */
  readonly component: string;
  readonly [field: string]: unknown;
}

/** The default: plain text on stderr. */
export const stderrLog: Log = (level, fields, text) => console.error(level, text, fields);

/** Drops every line, for embedding without output. */
export const silentLog: Log = () => {};

/**
 * Returns a log that writes at most one line per `kind` and second. The next line of that kind has
 * the number of dropped ones as `suppressed`.
 *
 * Use it for everything that a client can cause, so that a flood of refusals is not a flood of
 * lines. Kinds must come from closed unions, because each takes memory. `now` is a monotonic clock
 * in milliseconds.
 */
export function createThrottle(log: Log, now: () => number): ThrottledLog {
  const kinds = new Map<string, { at: number; suppressed: number }>();
  // biome-ignore lint/complexity/useMaxParams: see ThrottledLog.
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

/** Writes at most one line per kind and second. */
// biome-ignore lint/complexity/useMaxParams: those of Log, and the kind.
export type ThrottledLog = (level: LogLevel, kind: string, fields: LogFields, text: string) => void;

/** Returns a number of clients in words: `1 client`, `2 clients`. */
export function formatClients(count: number): string {
  return count === 1 ? "1 client" : `${count} clients`;
}
