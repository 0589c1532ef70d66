import { type DestinationStream, pino } from "pino";
import type { Log } from "../core/log.ts";

/** Returns a log that writes JSON lines to `to`, from `level` up. */
export function createPinoLog(
  level: "debug" | "info" | "warn" | "error" | "silent",
  to: DestinationStream,
): Log {
  const logger = pino({ level, base: null, serializers: { error: inWords } }, to);
  return (severity, fields, text) => logger[severity](fields, text);
}

/** An error's own fields may hold what a client sent, its stack says where to look. */
function inWords(error: unknown): unknown {
  return error instanceof Error ? error.stack : error;
}
