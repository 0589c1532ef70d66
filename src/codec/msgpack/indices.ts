/**
 * Objects whose keys are numbers, such as `{ "1000": … }`.
 *
 * V8 keeps such members in an array, and makes room for half as many again as the largest index,
 * up to some 40 KB for a key of four bytes. So a jump in the indices is announced by `makeRoom`.
 */

const ZERO = 0x30;
const NINE = 0x39;
const HIDDEN = { value: undefined, writable: true, configurable: true, enumerable: false };
const SHOWN = { enumerable: true };

// Made once each, up to a thousand: where such an object is five bytes on the wire, its text would
// be the larger part of what it costs.
const TEXTS = new Array<string | undefined>(1000).fill(undefined);

/** How far an index may be beyond the highest so far without {@link makeRoom}. */
export const INDEX_STEP = 4;

/** Returns the index that a key of up to four digits is, or -1; beyond them V8 uses a table. */
export function readSmallIndex(key: string): number {
  if (key.length === 0 || key.length > 4) return -1;
  if (key.charCodeAt(0) === ZERO) return key.length === 1 ? 0 : -1;
  let index = 0;
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    if (c < ZERO || c > NINE) return -1;
    index = index * 10 + c - ZERO;
  }
  return index;
}

/** Returns `found` with a member for an index, in no more memory than that takes. */
export function makeRoom(
  found: Record<string, unknown>,
  index: number,
  empty: boolean,
): Record<string, unknown> {
  // JSON.parse makes exactly the room that is needed.
  if (empty) return JSON.parse(textOf(index));
  const key = String(index);
  if (Object.hasOwn(found, key)) return found;
  // A member with attributes of its own makes V8 change to a table, and plain again it stays there.
  Object.defineProperty(found, key, HIDDEN);
  Object.defineProperty(found, key, SHOWN);
  return found;
}

function textOf(index: number): string {
  if (index >= 1000) return `{"${index}":null}`;
  const text = TEXTS[index] ?? `{"${index}":null}`;
  TEXTS[index] = text;
  return text;
}
