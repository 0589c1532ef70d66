import * as z from "zod/mini";
import { choice, flag, integer, ms, text, urlPath } from "./field.ts";

/** The section `recovery`; its sentence is in `SETTINGS`. */
export const recovery = z.strictObject({
  windowMs: ms(0, 0, 3_600_000, "How long a lost session can be resumed; 0 turns recovery off."),
  sessionsMax: integer(100_000, 1, 10_000_000, "Lost sessions kept for recovery."),
  roomChangesMax: integer(
    50,
    0,
    10_000,
    "Joins and leaves remembered of one socket; a client that returns from before the oldest is not recovered.",
  ),
  packetsMax: integer(10_000, 1, 10_000_000, "Packets kept for recovery, over all namespaces."),
  bytesMax: integer(
    67_108_864,
    65_536,
    17_179_869_184,
    "Bytes of packets and sessions kept for recovery, over all namespaces.",
  ),
  sessionBytesMax: integer(
    65_536,
    1024,
    16_777_216,
    "Largest session, rooms and `data`, that is kept, in bytes; a larger one is not recovered.",
  ),
  checkpointMs: ms(
    5_000,
    0,
    600_000,
    "With Redis or workers: how often the `data` of connected sockets is stored, so that clients can be recovered when their node or worker dies; 0 stores nothing, and then they are not recovered.",
  ),
});

/** The section `handlers`; its sentence is in `SETTINGS`. */
export const handlers = z.strictObject({
  module: text("", "Path of a module whose default export is `(io) => void`."),
  onError: choice(
    ["log", "exit"],
    "log",
    "What a handler that throws or rejects does to the process: a log line, or its end.",
  ),
});

/** The section `metrics`; its sentence is in `SETTINGS`. */
export const metrics = z.strictObject({
  path: urlPath("/metrics", "URL path that Prometheus scrapes."),
  defaults: flag(true, "Whether Node.js' own process metrics are exported."),
});

/** The section `log`; its sentence is in `SETTINGS`. */
export const log = z.strictObject({
  level: choice(
    ["debug", "info", "warn", "error", "silent"],
    "info",
    "Least severe line that is written; debug tells of every connection, join and leave, too.",
  ),
  format: choice(
    ["auto", "json", "text"],
    "auto",
    "How a line is written: JSON, or text for people; auto: text in a terminal, else JSON.",
  ),
  bufferBytesMax: integer(
    1_048_576,
    0,
    1_073_741_824,
    "Bytes of lines that wait for a slow reader of standard output; a line above it is dropped and counted.",
  ),
});
