/** A stream of numbers that a seed determines. */
export interface Random {
  /** A whole number from 0 to below `n`. */
  below(n: number): number;
  pick<T>(from: readonly [T, ...T[]]): T;
}

/** Returns the stream of a seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const below = (n: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
  return { below, pick: (from) => from[below(from.length)] ?? from[0] };
}

/** Inputs are at most this long: what a kilobyte may cost is part of the promise. */
export const INPUT_MAX = 1024;

// Bytes that begin something, and lengths that lie.
const BYTES = [
  "80",
  "81",
  "8f",
  "90",
  "91",
  "9f",
  "a0",
  "a1",
  "bf",
  "c0",
  "c1",
  "c2",
  "c400",
  "c4ff",
  "c5ffff",
  "c6ffffffff",
  "c700ff",
  "c7ff00",
  "c8ffff00",
  "c9ffffffff00",
  "ca",
  "cb",
  "cb7ff8000000000000",
  "cc",
  "cf",
  "cfffffffffffffffff",
  "d3",
  "d38000000000000000",
  "d40000",
  "d401",
  "d6ff",
  "d700",
  "d7007fffffffffffffff",
  "d8ff",
  "d9ff",
  "daffff",
  "dbffffffff",
  "dc03e8",
  "dcffff",
  "ddffffffff",
  "de03e8",
  "deffff",
  "dfffffffff",
  "ff",
  "a474797065",
  "a464617461",
  "a36e7370",
  "a130",
  "a139",
  "a23939",
  "a431303030",
  "a432303030",
  "81a431303030c0",
  "80",
  "a26964",
  "a95f5f70726f746f5f5f",
  "ac5f706c616365686f6c646572c3",
  "a7636f6e6e656374",
].map((hex) => Buffer.from(hex, "hex")) as [Buffer, ...Buffer[]]; // the list above is not empty

const WORDS = [
  "[",
  "]",
  "{",
  "}",
  "[[[[[[[[",
  '{"a":{"a":',
  ",",
  ":",
  '"',
  "\\",
  "\\u005f",
  "\u0000",
  "-",
  "/",
  "0",
  "1",
  "2",
  "3",
  "4",
  "5",
  "6",
  "51-",
  "52-",
  "511-",
  "99999999999999999999",
  "1e999",
  "null",
  '"__proto__":',
  '{"_placeholder":true,"num":0}',
  '{"_placeholder":true,"num":1}',
  '"disconnect"',
  '{"1000":0},',
  '"0":',
  '"999":',
  "{},",
  "[],",
  '"connect"',
  '["e"]',
  "😀",
  "\ud800",
] as [string, ...string[]]; // the list above is not empty

const LETTERS = [..."0123456789abcdefghijklmnopqrstuvwxyz,-./"] as [string, ...string[]]; // as above

/** Mostly once: an input that is changed too much is refused at its first byte. */
function howOften(random: Random): number {
  return random.below(3) ? 1 : 1 + random.below(5);
}

/** Returns a changed copy of a binary frame, with pieces of `other` in it at times. */
export function mutateBytes(random: Random, frame: Buffer, other: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(frame);
  for (let left = howOften(random); left > 0; left--) {
    const at = random.below(bytes.length + 1);
    if (random.below(2) && at < bytes.length) {
      bytes[at] = random.below(256);
      continue;
    }
    const to = Math.min(bytes.length, at + random.below(12));
    const from = random.below(other.length + 1);
    const inserted = random.pick<() => Buffer>([
      () => Buffer.of(random.below(256)),
      () => random.pick(BYTES),
      () => random.pick(BYTES),
      () => Buffer.concat(Array<Buffer>(1 + random.below(60)).fill(random.pick(BYTES))),
      () => other.subarray(from, from + random.below(40)),
      () => Buffer.alloc(0),
    ])();
    bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(random.pick([at, to]))]);
    if (random.below(12) === 0) bytes = bytes.subarray(0, random.below(bytes.length + 1));
  }
  return bytes.subarray(0, INPUT_MAX);
}

/** Returns a changed copy of a text frame. */
export function mutateText(random: Random, frame: string, other: string): string {
  let text = frame;
  for (let left = howOften(random); left > 0; left--) {
    const at = random.below(text.length + 1);
    if (random.below(2)) {
      text = text.slice(0, at) + random.pick(LETTERS) + text.slice(at + 1);
      continue;
    }
    const to = Math.min(text.length, at + random.below(12));
    const from = random.below(other.length + 1);
    const inserted = random.pick<() => string>([
      () => String.fromCharCode(random.below(128)),
      () => random.pick(WORDS),
      () => random.pick(WORDS),
      () => random.pick(WORDS).repeat(1 + random.below(60)),
      () => other.slice(from, from + random.below(40)),
      () => "",
    ])();
    text = text.slice(0, at) + inserted + text.slice(random.pick([at, to]));
    if (random.below(12) === 0) text = text.slice(0, random.below(text.length + 1));
  }
  return cutToMax(text);
}

function cutToMax(text: string): string {
  const over = Buffer.byteLength(text) - INPUT_MAX;
  // No unit is more than three bytes.
  return over <= 0 ? text : cutToMax(text.slice(0, -Math.ceil(over / 3)));
}
