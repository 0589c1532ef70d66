import * as z from "zod/mini";
import { choice, flag, integer, ms, text, urlPath } from "./field.ts";

/** The section `recovery`; its sentence is in `SETTINGS`. */
export const recovery = z.strictObject({
  windowMs: ms(
    0,
    0,
    3_600_000,
    "How long after a connection was lost its session can be resumed; 0 turns recovery off.",
  ),
  sessionsMax: integer(
    100_000,
    1,
    10_000_000,
    "Sessions of lost connections that are kept for recovery.",
  ),
  roomChangesMax: integer(
    50,
    0,
    10_000,
    "Latest joins and leaves that are remembered for one socket. A client that has missed packets from before the oldest of them is not recovered.",
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
    "Size of one session (rooms and `data`) in bytes; a larger one is not recovered.",
  ),
  checkpointMs: ms(
    5_000,
    0,
    600_000,
    "With Redis or workers: how often the `data` of connected sockets is stored, so that clients can be recovered when their node or worker dies. 0 stores nothing; these clients are then not recovered.",
  ),
});

/** The section `handlers`; its sentence is in `SETTINGS`. */
export const handlers = z.strictObject({
  module: text("", "Path of a module whose default export is `(io) => void`."),
  onError: choice(
    ["log", "exit"],
    "log",
    "What happens when a handler throws or rejects: a log line, or the end of the process.",
  ),
});

/** The section `metrics`; its sentence is in `SETTINGS`. */
export const metrics = z.strictObject({
  path: urlPath("/metrics", "URL path that Prometheus scrapes."),
  defaults: flag(true, "Whether Node.js' own process metrics are exported too."),
});

/** The section `log`; its sentence is in `SETTINGS`. */
export const log = z.strictObject({
  level: choice(
    ["debug", "info", "warn", "error", "silent"],
    "info",
    "Lowest level that is written; debug also logs every connection, join, leave and close.",
  ),
  format: choice(
    ["auto", "json", "text"],
    "auto",
    "How a line is written: as JSON, or as text for people. auto: text in a terminal, else JSON.",
  ),
  bufferBytesMax: integer(
    1_048_576,
    0,
    1_073_741_824,
    "Bytes of log lines that may wait while standard output is slow; lines above are dropped and counted.",
  ),
});
