import { FailureError } from "../../core/failures.ts";
import { checkKey } from "../limits.ts";

/** Where an attachment belongs: `holder[key]`. */
export interface Placeholder {
  readonly holder: Record<PropertyKey, unknown>;
  readonly key: PropertyKey;
}

/** Throws if {@link checkKey} refuses any key in `data`. The depth has been checked before. */
export function checkKeys(data: unknown): void {
  if (typeof data !== "object" || data === null) return;
  for (const [key, member] of Object.entries(data)) {
    checkKey(key, member);
    checkKeys(member);
  }
}

/**
 * Returns the place of each attachment, by its number.
 *
 * Every number from 0 to `attachments - 1` must occur once. A number used twice would multiply the
 * attachment's bytes when the packet is broadcast. A missing one would hold bytes that nobody
 * reads.
 */
export function findPlaceholders(data: unknown, attachments: number): readonly Placeholder[] {
  const places = new Array<Placeholder | undefined>(attachments).fill(undefined);
  walk(data, places);
  const found = places.filter((place) => place !== undefined);
  if (found.length !== attachments) {
    throw new FailureError("CODEC_BAD_SHAPE", "an attachment without its placeholder");
  }
  return found;
}

function walk(data: unknown, places: (Placeholder | undefined)[]): void {
  if (typeof data !== "object" || data === null) return;
  // JSON.parse creates plain objects and arrays only; both are read and written by key.
  const holder = data as Record<PropertyKey, unknown>;
  for (const [key, member] of Object.entries(holder)) {
    checkKey(key, member);
    if (isPlaceholder(member)) place(places, member.num, { holder, key });
    else walk(member, places);
  }
}

function place(places: (Placeholder | undefined)[], num: unknown, at: Placeholder): void {
  const free = typeof num === "number" && Number.isInteger(num) && num >= 0 && num < places.length;
  if (!free || places[num] !== undefined) {
    throw new FailureError("CODEC_BAD_SHAPE", "a placeholder without its attachment");
  }
  places[num] = at;
}

function isPlaceholder(value: unknown): value is { readonly num?: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    "_placeholder" in value &&
    value._placeholder === true
  );
}
