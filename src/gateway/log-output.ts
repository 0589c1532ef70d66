import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { performance } from "node:perf_hooks";

/** Where log lines go. Nothing here throws, and nothing waits for whoever reads them. */
export interface LogOutput {
  /** Writes a line at once, keeps it for a slow reader, or drops it. */
  write(line: string): void;
  /** Lines dropped so far: they could not be written, or too many bytes were waiting. */
  dropped(): number;
  /** Writes what waits; resolves when nothing does any more, or after `withinMs`. */
  flush(withinMs: number): Promise<void>;
}

/** How long a slow reader is left alone: 64 KiB each time, what a pipe holds, is 6 MB a second. */
const RETRY_MS = 10;

const LINE_END = Buffer.from("\n");

/**
 * Returns the output of log lines to `fd`: a pipe, a socket, a terminal or a file.
 *
 * Beside the line that is being written, up to `bufferBytesMax` wait for a slow reader; a line
 * above that is dropped. A line that cannot be written (nobody reads any more, the disk is full) is
 * dropped with all that wait, and not tried again; the next one is, so that lines come again once
 * they can.
 */
export function createLogOutput(fd: number, bufferBytesMax: number): LogOutput {
  const own = openWithoutWaiting(fd);
  /** What a slow reader has not taken of the line that is being written. */
  let begun: Buffer | undefined;
  const waiting: Buffer[] = [];
  let bytes = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  /** Whether the last byte that went out was not the end of its line. */
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

  // After a line that was cut, or both would be read as one that is neither.
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
 * Returns a descriptor of what `fd` is, whose writes fail where they would wait: the whole process
 * would, or a thread that keeps it from ending.
 */
function openWithoutWaiting(fd: number): number {
  // Made for an inherited pipe or socket, Node.js' own stream has writes to it return at once.
  void process.stdout;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const kind = fstatSync(fd);
    // A child that ends gives the inherited one its old mode back. Terminals have no other way.
    if (kind.isFIFO() || kind.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    }
  } catch {
    // No /proc, a pipe of another user, or one that nobody reads: then as it was given.
  }
  return fd;
}

const isFull = (error: unknown) =>
  error instanceof Error && "code" in error && error.code === "EAGAIN";
