/** Severity of a log line, in pino's names. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Writes one structured log line. `fields.room` names the source folder it comes from. A field
 * never holds a token or a payload.
 */
export type Log = (level: LogLevel, fields: LogFields, text: string) => void;

/** The fields of a log line besides its text. */
export interface LogFields {
  readonly room: string;
  readonly [field: string]: unknown;
}

/** The default: plain text on stderr. */
export const stderrLog: Log = (level, fields, text) => console.error(level, text, fields);

/** Drops every line, for embedding without output. */
export const silentLog: Log = () => {};
