import { pino } from "pino";
import type { Log } from "./core/log.ts";

/** Returns a log that writes JSON lines to standard output, from `level` up. */
export function createPinoLog(level: "debug" | "info" | "warn" | "error" | "silent"): Log {
  const logger = pino({ level, base: null });
  return (severity, fields, text) => logger[severity](fields, text);
}
