import { messageOf } from "./message-of.ts";

/**
 * What stands for a value that cannot be written or sent: it must not keep others from being so.
 */
export interface Unfit {
  readonly $error: string;
}

const WHY_CHARS_MAX = 200;

/**
 * Returns an object with each of its members that `write` throws for as an {@link Unfit}: a bigint,
 * a cycle, a `toJSON` that throws. To be asked once the whole could not be written: it writes all
 * again.
 */
export function replaceUnfit<T extends object>(whole: T, write: (value: unknown) => unknown): T {
  const members = Object.entries(whole).map(([name, value]) => {
    try {
      write(value);
      return [name, value];
    } catch (error) {
      return [name, unfit(error)];
    }
  });
  return Object.fromEntries(members) as T; // the members stay what they may be, or are an Unfit
}

function unfit(error: unknown): Unfit {
  // What holds itself is followed until the stack ends, by most who write.
  const why = error instanceof RangeError ? "it holds itself, or nests too deep" : messageOf(error);
  return { $error: `cannot be sent: ${why}`.slice(0, WHY_CHARS_MAX) };
}
