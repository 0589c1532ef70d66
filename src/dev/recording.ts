import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
} from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../core/command-line.ts";
import { messageOf } from "../core/failures.ts";
import { type Attempt, readAttempt } from "./attempt.ts";
import { makeFolders } from "./folder.ts";

/** Size at which a recording is renamed to `FILE.1`, in place of an older one. */
export const RECORDING_BYTES_MAX = 16_777_216;

/** The largest file that is read: one line may exceed the size of a recording. */
const READ_BYTES_MAX = 268_435_456;

/** A file that attempts are written to, one a line (NDJSON). */
export interface Recording {
  readonly path: string;
  /** Writes an attempt, and returns it with its number. */
  add(attempt: Omit<Attempt, "call">): Attempt;
}

/**
 * Opens a recording, whose numbers go on from those in the file. It is for its owner's eyes alone,
 * because it holds what clients sent. If a line cannot be written, `failed` is told.
 *
 * Throws {@link UsageError} when the file holds something else, or cannot be written.
 */
export function openRecording(
  path: string,
  { bytesMax, failed }: { readonly bytesMax: number; failed(why: string): void },
): Recording {
  let calls = 0;
  let bytes = 0;
  try {
    makeFolders(dirname(path));
    if (existsSync(path)) {
      calls = resume(path);
      bytes = statSync(path).size;
    } else {
      appendFileSync(path, "", { mode: 0o600 });
    }
  } catch (error) {
    const why = error instanceof UsageError ? error.message : messageOf(error);
    throw new UsageError(`--record ${path}: ${why}`);
  }
  return {
    path,
    add(attempt) {
      const numbered = { call: ++calls, ...attempt };
      const line = `${JSON.stringify(numbered)}\n`;
      try {
        if (bytes > 0 && bytes + Buffer.byteLength(line) > bytesMax) {
          renameSync(path, `${path}.1`);
          bytes = 0;
        }
        appendFileSync(path, line, { mode: 0o600 });
        bytes += Buffer.byteLength(line);
      } catch (error) {
        failed(`call ${calls} could not be recorded in ${path}: ${messageOf(error)}`);
      }
      return numbered;
    },
  };
}

/**
 * Returns the number of the last call. Cuts off what a crash has left of a line, if the lines
 * before it are a recording.
 */
function resume(path: string): number {
  const text = readBounded(path);
  const end = text.lastIndexOf("\n") + 1;
  const whole = readLines(end === 0 ? text : text.slice(0, end));
  if (end < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end)));
  return whole.at(-1)?.call ?? 0;
}

function readBounded(path: string): string {
  const { size } = statSync(path);
  if (size <= READ_BYTES_MAX) return readFileSync(path, "utf8");
  throw new UsageError(`it has ${size} bytes, and a recording has at most ${READ_BYTES_MAX}`);
}

/** Returns the attempts in a text. Throws {@link UsageError} for a line that is none. */
function readLines(text: string): readonly Attempt[] {
  return text.split("\n").flatMap((line, at) => {
    if (line.trim() === "") return [];
    const attempt = readAttempt(line);
    if (typeof attempt !== "string") return [attempt];
    throw new UsageError(`line ${at + 1} ${attempt}, so this is no recording of sluice dev`);
  });
}

/**
 * Returns one attempt of a recording: the one of that number, the last with that id, or the last of
 * all. Throws {@link UsageError}.
 */
export function findAttempt(path: string, which: string | undefined): Attempt {
  let all: readonly Attempt[];
  try {
    all = readLines(readBounded(path));
  } catch (error) {
    throw new UsageError(`${path}: ${messageOf(error)}`);
  }
  const first = all[0];
  if (!first) throw new UsageError(`${path}: no call is recorded in it`);
  const wanted = (one: Attempt) =>
    which === undefined || `${one.call}` === which || one.id === which;
  const found = all.findLast(wanted);
  if (found) return found;
  const range = `it has the calls ${first.call} to ${all.at(-1)?.call}`;
  throw new UsageError(`${path}: there is no call ${which}; ${range}, and their ids`);
}
