import type { HttpResponse } from "uWebSockets.js";
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import { createThrottle, type Log } from "../core/log.ts";

/** Called with the name of each response header that was left out because HTTP forbids it. */
export type LeftOut = (name: string) => void;

/** Returns a function that logs the names. It never logs a value, which may be a secret. */
export function createLeftOut(log: Log): LeftOut {
  const throttled = createThrottle(log, () => performance.now());
  const text = "a response header was left out: HTTP allows no such name or value";
  return (name) => throttled("warn", "header", { component: "host", header: name }, text);
}

/** Headers in the forms that `writeHead` of Node.js' http server accepts. */
export type HeadersGiven = Readonly<Record<string, unknown>> | readonly unknown[];

/**
 * Returns the values that `setHeader` of Node.js' http server would write for a header, one per
 * line: a string or a number is one line, an array is one line per item. Returns undefined for a
 * name or a value that Node.js refuses.
 */
export function readHeader(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  try {
    validateHeaderName(name);
    const lines = (Array.isArray(value) ? value : [value]).map((one) => `${one}`);
    for (const line of lines) validateHeaderValue(name, line);
    return lines;
  } catch {
    return undefined; // also for a value without a string form, such as a symbol
  }
}

/** Returns headers given to `writeHead` as pairs. They may be a flat list of names and values. */
export function listHeaders(given: HeadersGiven): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(given)) return Object.entries(given);
  return given.flatMap((name, at) =>
    at % 2 === 0 ? [[String(name), given[at + 1]] as const] : [],
  );
}

/** Writes the lines that {@link readHeader} returned. */
export function writeLines(raw: HttpResponse, name: string, lines: readonly string[]): void {
  for (const line of lines) raw.writeHeader(name, inLatin1(line));
}

/** Writes a header as Node.js' http server would, or leaves it out and calls `leftOut`. */
export function writeHeader(
  raw: HttpResponse,
  [name, value]: readonly [string, unknown],
  leftOut: LeftOut,
): void {
  const lines = readHeader(name, value);
  if (lines) writeLines(raw, name, lines);
  else leftOut(name);
}

/**
 * Returns the code and reason phrase of a status line. The standard phrase is used if `words` is
 * missing or not valid; a code that is not valid becomes 500.
 */
export function formatStatus(code: number, words: string | undefined): string {
  const asked = Number(code); // Node.js accepts a string as well
  const known = Number.isInteger(asked) && asked >= 100 && asked <= 999 ? asked : 500;
  const own = words && readHeader("status", words);
  return `${known} ${own ? words : (STATUS_CODES[known] ?? "")}`;
}

// Node.js sends header values as Latin-1, but uWebSockets.js would write a string as UTF-8.
const inLatin1 = (line: string) => (/[\x80-\xff]/.test(line) ? Buffer.from(line, "latin1") : line);
