/** Severity of a log line, as pino names them. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Writes one structured log line. `fields.room` names the source folder that speaks; a field never
 * carries a token or a payload.
 */
export type Log = (level: LogLevel, fields: LogFields, text: string) => void;

/** What a log line says besides its text. */
export interface LogFields {
  readonly room: string;
  readonly [field: string]: unknown;
}

/** A log of plain text on stderr, where nobody gave one. */
export const stderrLog: Log = (level, fields, text) => console.error(level, text, fields);

/** A log that drops every line, for embedding without output. */
export const silentLog: Log = () => {};
