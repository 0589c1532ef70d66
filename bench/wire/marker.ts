/**
 * Every measured payload opens with a marker of fixed width, which no codec changes: plain ASCII
 * without quotes or backslashes. `~S` 9 digits of sequence, `T` 15 digits of scheduled time in
 * microseconds of the host's monotonic clock, one clock for all processes of a machine.
 */
export const MARKER_BYTES = 2 + 9 + 1 + 15;

const TILDE = 0x7e;
const LETTER_S = 0x53;
const LETTER_T = 0x54;
const ZERO = 0x30;

/** Now, in microseconds of CLOCK_MONOTONIC, which all processes of this machine share. */
export function nowUs(): number {
  // `performance.now()` has an origin per process, which cannot be told without an error.
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1000;
}

/** Returns a function that makes bodies of exactly `bytes` bytes, at least {@link MARKER_BYTES}. */
export function createBodies(bytes: number): (sequence: number, scheduledUs: number) => string {
  // The filler repeats with a period that no power of two divides, so a shifted copy is noticed.
  const filler = "abcdefghijklmnopqrstuvwxyz0123456789_"
    .repeat(Math.ceil(Math.max(0, bytes - MARKER_BYTES) / 37))
    .slice(0, Math.max(0, bytes - MARKER_BYTES));
  return (sequence, scheduledUs) =>
    `~S${pad(sequence, 1e9)}T${pad(Math.floor(scheduledUs), 1e15)}${filler}`;
}

/** `String(n).padStart` without its cost: add the next power of ten and drop the leading 1. */
function pad(n: number, power: number): string {
  return String(power + n).slice(1);
}

/** Finds markers in messages and reads them. */
export interface MarkerReader {
  /** Sequence and time of the message read last, while its bytes are still what they were. */
  readonly sequence: number;
  readonly scheduledUs: number;
  /** Whether the message has a marker; if so, the two fields above are of it. */
  read(bytes: Buffer, start: number, end: number): boolean;
}

/**
 * Returns a reader for messages of few different shapes: where the marker was found in a message
 * of this length is where it is looked for first in the next one.
 */
export function createMarkerReader(): MarkerReader {
  const offsets = new Map<number, number>();
  let lastLength = -1;
  let lastOffset = 0;
  let last: Buffer = Buffer.alloc(0);
  let lastAt = 0;
  // Only what is asked for is read: fifteen digits cost as much as everything else about a message.
  const reader = {
    sequence: 0,
    get scheduledUs() {
      return digits(last, lastAt + 12, 15);
    },
    read(bytes: Buffer, start: number, end: number) {
      const length = end - start;
      if (length !== lastLength) {
        lastLength = length;
        lastOffset = offsets.get(length) ?? 0;
      }
      if (!isMarker(bytes, start + lastOffset, end)) {
        const found = bytes.subarray(start, end).indexOf("~S");
        if (found < 0 || !isMarker(bytes, start + found, end)) return false;
        lastOffset = found;
        if (offsets.size < 10_000) offsets.set(length, found);
      }
      const at = start + lastOffset;
      last = bytes;
      lastAt = at;
      reader.sequence = sequenceAt(bytes, at + 2);
      return true;
    },
  };
  return reader;
}

function isMarker(bytes: Buffer, at: number, end: number): boolean {
  return (
    at + MARKER_BYTES <= end &&
    bytes[at] === TILDE &&
    bytes[at + 1] === LETTER_S &&
    bytes[at + 11] === LETTER_T
  );
}

/** Nine digits fit a small integer, which is a third cheaper than a number of any size. */
function sequenceAt(bytes: Buffer, at: number): number {
  let n = 0;
  for (let i = at; i < at + 9; i++) n = (n * 10 + (bytes[i] ?? ZERO) - ZERO) | 0;
  return n;
}

function digits(bytes: Buffer, at: number, count: number): number {
  let n = 0;
  for (let i = at; i < at + count; i++) n = n * 10 + (bytes[i] ?? ZERO) - ZERO;
  return n;
}
