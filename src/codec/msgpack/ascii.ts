// Beyond this length the native call is faster.
const MAX = 12;
const { fromCharCode } = String;

/**
 * Returns the text of at most 12 bytes if all are ASCII; otherwise undefined, and the caller
 * decodes them as UTF-8. The caller has checked the length.
 *
 * A call into native code costs as much as five such strings.
 */
export function readAscii(bytes: Buffer, from: number, length: number): string | undefined {
  if (length > MAX) return undefined;
  let seen = 0;
  for (let i = from; i < from + length; i++) seen |= bytes[i] as number; // inside, by the contract
  if (seen >= 0x80) return undefined;
  let text = "";
  let at = from;
  for (let left = length >> 2; left > 0; left--) {
    text += four(bytes, at);
    at += 4;
  }
  // biome-ignore format: one length per line.
  switch (length & 3) {
    case 0: return text;
    case 1: return text + one(bytes, at);
    case 2: return text + two(bytes, at);
    default: return text + two(bytes, at) + one(bytes, at + 2);
  }
}

// The bytes are inside the frame, by the contract of readAscii.
function one(bytes: Buffer, at: number): string {
  return fromCharCode(bytes[at] as number);
}

function two(bytes: Buffer, at: number): string {
  return fromCharCode(bytes[at] as number, bytes[at + 1] as number);
}

function four(bytes: Buffer, at: number): string {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  return fromCharCode(a, b, c, bytes[at + 3] as number);
}
