import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { type DestinationStream, pino } from "pino";
import type { Log } from "../core/log.ts";

/** Where log lines go. Nothing here throws or blocks, however slow the reader is. */
export interface LogOutput {
  /** Writes a line at once, queues it if the reader is slow, or drops it. */
  write(line: string): void;
  /** Lines dropped so far: a write failed, or too many bytes were queued. */
  dropped(): number;
  /** Writes the queued lines; resolves when all are written, or after `withinMs`. */
  flush(withinMs: number): Promise<void>;
}

/** Wait between two writes to a slow reader. A pipe holds 64 KiB, so that is 6 MB a second. */
const RETRY_MS = 10;

const LINE_END = Buffer.from("\n");

/**
 * Returns the output of log lines to `fd`: a pipe, a socket, a terminal or a file.
 *
 * Besides the line being written, up to `bufferBytesMax` are queued for a slow reader; lines above
 * that are dropped. When a write fails (the reader is gone, the disk is full), its line and all
 * queued lines are dropped. Later lines are tried again, so logging resumes by itself.
 */
export function createLogOutput(fd: number, bufferBytesMax: number): LogOutput {
  const own = openWithoutWaiting(fd);
  /** The unwritten rest of the line that is being written. */
  let begun: Buffer | undefined;
  const waiting: Buffer[] = [];
  let bytes = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  /** Whether the last line was written only in part. */
  let torn = false;

  function put(rest: Buffer): void {
    begun = rest;
    try {
      while (begun.length > 0) {
        begun = begun.subarray(writeSync(own, begun));
        torn = begun.length > 0;
      }
    } catch (error) {
      if (isFull(error)) return;
      dropped += 1 + waiting.length;
      waiting.length = 0;
      bytes = 0;
    }
    begun = undefined;
  }

  // After a partial line, start a new one; otherwise the reader would get both as one line.
  const begin = (line: Buffer) => put(torn ? Buffer.concat([LINE_END, line]) : line);

  function drain(): void {
    if (begun) put(begun);
    while (!begun) {
      const next = waiting.shift();
      if (!next) return;
      bytes -= next.length;
      begin(next);
    }
    wait();
  }

  function wait(): void {
    clearTimeout(timer);
    timer = setTimeout(drain, RETRY_MS).unref();
  }

  return {
    write(text) {
      const line = Buffer.from(text);
      if (!begun) {
        begin(line);
        if (begun) wait();
      } else if (bytes + line.length <= bufferBytesMax) {
        waiting.push(line);
        bytes += line.length;
      } else {
        dropped++;
      }
    },
    dropped: () => dropped,
    async flush(withinMs) {
      const end = performance.now() + withinMs;
      drain();
      while (begun && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        drain();
      }
    },
  };
}

/**
 * Returns a non-blocking descriptor of the same file as `fd`. A blocking write would stop the whole
 * process, or a thread that keeps it from ending.
 */
function openWithoutWaiting(fd: number): number {
  // Creating Node.js' own stream makes an inherited pipe or socket non-blocking.
  void process.stdout;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const kind = fstatSync(fd);
    // Open it anew: a child process that ends resets the mode of the inherited descriptor, and
    // terminals can be made non-blocking only in this way.
    if (kind.isFIFO() || kind.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    }
  } catch {
    // No /proc, a pipe of another user, or one without a reader: use `fd` itself.
  }
  return fd;
}

const isFull = (error: unknown) =>
  error instanceof Error && "code" in error && error.code === "EAGAIN";

/** Returns a log that writes lines of at least `level` to `to`, as JSON. */
export function createPinoLog(
  level: "debug" | "info" | "warn" | "error" | "silent",
  to: DestinationStream,
): Log {
  const logger = pino({ level, base: null, serializers: { error: readStack } }, to);
  return (severity, fields, text) => logger[severity](fields, text);
}

/** Logs only the stack of an error: its other fields may contain what a client sent. */
function readStack(error: unknown): unknown {
  return error instanceof Error ? error.stack : error;
}
