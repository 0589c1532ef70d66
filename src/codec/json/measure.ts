import { FailureError } from "../../core/failures.ts";
import type { Limits } from "../limits.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Throws if the JSON that begins at `from` nests deeper than `depthMax` or holds more values than
 * `elementsMax`. It allocates nothing.
 *
 * It does not check that the text is valid JSON. For valid JSON both numbers are exact.
 */
export function measureJson(limits: Limits, text: string, from: number): void {
  const length = text.length - from;
  // Every value takes at least one character and every level two brackets, so short text is within
  // the limits.
  if (length <= limits.elementsMax && openings(text, from, limits.depthMax) <= limits.depthMax) {
    return;
  }
  count(limits, text, from);
}

/** Counts opening brackets, also inside strings; stops at some number above `most`. */
function openings(text: string, from: number, most: number): number {
  if (text.length - from <= 2 * most) return 0;
  let found = 0;
  for (let at = text.indexOf("[", from); at >= 0 && found <= most; at = text.indexOf("[", at + 1)) {
    found += 1;
  }
  for (let at = text.indexOf("{", from); at >= 0 && found <= most; at = text.indexOf("{", at + 1)) {
    found += 1;
  }
  return found;
}

function count(limits: Limits, text: string, from: number): void {
  let depth = 0;
  let elements = 0;
  // Whether a bracket has just opened: its first member is counted without a comma before it.
  let empty = false;
  for (let at = from; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c <= 0x20) continue;
    if (c === 0x5d || c === 0x7d) {
      depth -= 1;
      empty = false;
      continue;
    }
    if (empty || c === COMMA) elements += 1;
    empty = c === 0x5b || c === 0x7b;
    if (empty) depth += 1;
    else if (c === QUOTE) at = stringEnd(text, at);
    if (depth > limits.depthMax) throw new FailureError("CODEC_TOO_DEEP");
    if (elements > limits.elementsMax) throw new FailureError("CODEC_TOO_MANY_ELEMENTS");
  }
}

/** Returns the index of the closing quote of the string at `at`, or the length of the text. */
function stringEnd(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, quote: number): boolean {
  let at = quote;
  while (text.charCodeAt(at - 1) === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}
