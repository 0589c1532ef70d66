import type { HttpResponse } from "uWebSockets.js";
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import type { Log } from "../core/log.ts";
import { createThrottle } from "../core/throttle.ts";

/** Told the name of a header that an answer goes without. */
export type LeftOut = (name: string) => void;

/** Returns what logs the names; never a value, which may be a secret. */
export function createLeftOut(log: Log): LeftOut {
  const throttled = createThrottle(log, () => performance.now());
  const text = "a response header was left out: HTTP allows no such name or value";
  return (name) => throttled("warn", "header", { room: "socket", header: name }, text);
}

/** Headers as `writeHead` of Node.js' http server takes them. */
export type HeadersGiven = Readonly<Record<string, unknown>> | readonly unknown[];

/**
 * Returns the lines that `setHeader` of Node.js' http server would write for a header: one of a
 * text or a number, one of each item of a list. Returns undefined for a name or a value it refuses.
 */
export function readHeader(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  try {
    validateHeaderName(name);
    const lines = (Array.isArray(value) ? value : [value]).map((one) => `${one}`);
    for (const line of lines) validateHeaderValue(name, line);
    return lines;
  } catch {
    return undefined; // also what has no text, such as a symbol
  }
}

/** Returns the pairs of `writeHead`'s headers, which may be a flat list of names and values. */
export function listHeaders(given: HeadersGiven): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(given)) return Object.entries(given);
  return given.flatMap((name, at) =>
    at % 2 === 0 ? [[String(name), given[at + 1]] as const] : [],
  );
}

/** Writes lines that {@link readHeader} returned. */
export function writeLines(raw: HttpResponse, name: string, lines: readonly string[]): void {
  for (const line of lines) raw.writeHeader(name, inLatin1(line));
}

/** Writes a header as it would stand on Node.js' http server, or leaves it out and tells. */
export function writeHeader(
  raw: HttpResponse,
  [name, value]: readonly [string, unknown],
  leftOut: LeftOut,
): void {
  const lines = readHeader(name, value);
  if (lines) writeLines(raw, name, lines);
  else leftOut(name);
}

/** Returns a status line's text; without words of its own, or with unfit ones, the usual ones. */
export function formatStatus(code: number, words: string | undefined): string {
  const asked = Number(code); // Node.js takes a text as well
  const known = Number.isInteger(asked) && asked >= 100 && asked <= 999 ? asked : 500;
  const own = words && readHeader("status", words);
  return `${known} ${own ? words : (STATUS_CODES[known] ?? "")}`;
}

// Header texts are sent byte by byte, where uWebSockets.js writes strings as UTF-8.
const inLatin1 = (line: string) => (/[\x80-\xff]/.test(line) ? Buffer.from(line, "latin1") : line);
