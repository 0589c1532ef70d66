import { messageOf } from "./message-of.ts";

/** Replaces a value that cannot be serialized, so that the values beside it can still be sent. */
export interface Unsendable {
  readonly $error: string;
}

const WHY_CHARS_MAX = 200;

/**
 * Returns a copy of an object in which each member that `write` throws for is replaced by an
 * {@link Unsendable}: a bigint, a cycle, a `toJSON` that throws. Call it only after writing the
 * whole object has failed, because it writes every member again.
 */
export function replaceUnsendable<T extends object>(
  whole: T,
  write: (value: unknown) => unknown,
): T {
  const members = Object.entries(whole).map(([name, value]) => {
    try {
      write(value);
      return [name, value];
    } catch (error) {
      return [name, createUnsendable(error)];
    }
  });
  return Object.fromEntries(members) as T; // each member as it was, or an Unsendable
}

function createUnsendable(error: unknown): Unsendable {
  // Most serializers follow a cycle until the stack overflows, which is a RangeError.
  const why = error instanceof RangeError ? "it holds itself, or nests too deep" : messageOf(error);
  return { $error: `cannot be sent: ${why}`.slice(0, WHY_CHARS_MAX) };
}
