/**
 * Objects whose keys are numbers, such as `{ "1000": … }`.
 *
 * V8 keeps such members in an array and allocates 1.5 times the largest index, up to some 40 KB for
 * a key of four bytes. So call `makeRoom` before adding an index that is much higher than the
 * others.
 */

const ZERO = 0x30;
const NINE = 0x39;
const HIDDEN = { value: undefined, writable: true, configurable: true, enumerable: false };
const SHOWN = { enumerable: true };

// Texts up to index 999 are cached: an object like that takes five bytes on the wire, and creating
// its text would be most of the cost of decoding it.
const TEXTS = new Array<string | undefined>(1000).fill(undefined);

/** How far an index may exceed the highest so far without {@link makeRoom}. */
export const INDEX_STEP = 4;

/** Returns the index of a key of up to four digits, or -1. For longer keys V8 uses a hash table. */
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

/** Returns `found` with a member added for an index, without the large array. */
export function makeRoom(
  found: Record<string, unknown>,
  index: number,
  empty: boolean,
): Record<string, unknown> {
  // JSON.parse allocates exactly what is needed.
  if (empty) return JSON.parse(textOf(index));
  const key = String(index);
  if (Object.hasOwn(found, key)) return found;
  // A member with non-default attributes makes V8 switch the object to a hash table, and V8 keeps
  // the table when the attributes are default again.
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
