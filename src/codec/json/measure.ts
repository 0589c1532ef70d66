import { FailureError } from "../../core/failures.ts";
import type { Limits } from "../limits.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Throws if the JSON that begins at `from` nests deeper than `depthMax` or holds more values than
 * `elementsMax`, without building any of it.
 *
 * Whether it *is* JSON is for JSON.parse to say; for text that is, both numbers are exact.
 */
export function measureJson(limits: Limits, text: string, from: number): void {
  const length = text.length - from;
  // A value takes a character and its comma, a level its two brackets: short text fits any limit.
  if (length <= limits.elementsMax && openings(text, from, limits.depthMax) <= limits.depthMax) {
    return;
  }
  count(limits, text, from);
}

/** Returns how many brackets open, or some number above `most`; text inside strings counts too. */
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
  // Whether the bracket just opened is still empty: its first member follows no comma.
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

/** Returns where the string that begins at `at` has its closing quote, or the end of the text. */
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
