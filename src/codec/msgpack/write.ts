/** The buffer that frames are written to. Only this file and its callers in `encode.ts` use it. */
export interface FrameWriter {
  bytes: Buffer;
  /** The next free byte, within what was reserved. */
  at: number;
  /** Where the current frame begins. The bytes before it belong to frames already returned. */
  start: number;
  /** Whether a frame is being written. */
  busy: boolean;
}

// Up to this length a loop over the UTF-16 units is faster than the native call.
const LOOP_UNITS = 40;
// Up to this length it is cheaper to reserve three bytes per unit than to measure.
const MEASURED_UNITS = 4096;
const TWO_32 = 0x100000000;
const TWO_63 = 2 ** 63;
// The size of Node.js' own pool. Larger would waste memory: a queued frame keeps its whole slab
// alive.
const SLAB_BYTES = 8192;
const NOTHING = Buffer.alloc(0);

/** Returns an empty writer. */
export function createFrameWriter(): FrameWriter {
  return { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), at: 0, start: 0, busy: false };
}

/** Makes room for `length` more bytes. If the slab is full, the frame moves to a larger one. */
function reserve(to: FrameWriter, length: number): void {
  if (to.at + length > to.bytes.length) move(to, length);
}

function move(to: FrameWriter, length: number): void {
  const written = to.at - to.start;
  // Doubling keeps moves rare; one large value gets little more than it needs.
  const size = Math.max(SLAB_BYTES, written + length + 512, 2 * written);
  const larger = Buffer.allocUnsafeSlow(size);
  to.bytes.copy(larger, 0, to.start, to.at);
  to.bytes = larger;
  to.start = 0;
  to.at = written;
}

/**
 * Returns what `put` writes as one frame. If `put` throws, nothing is written.
 *
 * Re-entrant: a `toJSON` of the packet may send another packet, which gets its own slab.
 */
export function writeFrame<T>(
  to: FrameWriter,
  put: (to: FrameWriter, one: T) => void,
  one: T,
): Buffer {
  const { bytes, at, start, busy } = to;
  if (busy) {
    to.bytes = NOTHING;
    to.at = 0;
  }
  to.busy = true;
  to.start = to.at;
  let frame: Buffer | undefined;
  try {
    put(to, one);
    frame = cut(to);
    return frame;
  } finally {
    to.busy = busy;
    if (busy || to.bytes.length > SLAB_BYTES) {
      to.bytes = bytes;
      to.at = at;
      to.start = start;
    } else if (frame === undefined) to.at = to.start;
  }
}

/** Returns the bytes of the frame. A large one is copied if its buffer is much larger. */
function cut({ bytes, start, at }: FrameWriter): Buffer {
  const frame = bytes.subarray(start, at);
  const spare = bytes.length - frame.length;
  return bytes.length > SLAB_BYTES && spare > frame.length >> 3 ? Buffer.from(frame) : frame;
}

/** Writes one byte. */
export function putByte(to: FrameWriter, byte: number): void {
  reserve(to, 1);
  to.bytes[to.at++] = byte;
}

function put8(to: FrameWriter, head: number, n: number): void {
  reserve(to, 2);
  to.bytes[to.at++] = head;
  to.bytes[to.at++] = n;
}

function put16(to: FrameWriter, head: number, n: number): void {
  reserve(to, 3);
  to.bytes[to.at++] = head;
  to.bytes[to.at++] = n >> 8;
  to.bytes[to.at++] = n;
}

function put32(to: FrameWriter, head: number, n: number): void {
  reserve(to, 5);
  const { bytes, at } = to;
  bytes[at] = head;
  bytes[at + 1] = n >> 24;
  bytes[at + 2] = n >> 16;
  bytes[at + 3] = n >> 8;
  bytes[at + 4] = n;
  to.at = at + 5;
}

/** Writes a byte, then a 64-bit integer in two's complement. */
export function put64(to: FrameWriter, head: number, n: number): void {
  put32(to, head, Math.floor(n / TWO_32));
  reserve(to, 4);
  const { bytes, at } = to;
  bytes[at] = n >>> 24;
  bytes[at + 1] = n >>> 16;
  bytes[at + 2] = n >>> 8;
  bytes[at + 3] = n;
  to.at = at + 4;
}

/** Writes a number as the shortest integer, or as a 64-bit float. */
export function putNumber(to: FrameWriter, n: number): void {
  if (n >= 0 && n < 0x80 && n === (n | 0)) putByte(to, n);
  else if (Math.floor(n) !== n || n >= 2 * TWO_63 || n < -TWO_63) putFloat(to, n);
  else if (n >= 0) putPositive(to, n);
  else putNegative(to, n);
}

function putFloat(to: FrameWriter, n: number): void {
  reserve(to, 9);
  to.bytes[to.at] = 0xcb;
  to.bytes.writeDoubleBE(n, to.at + 1);
  to.at += 9;
}

function putPositive(to: FrameWriter, n: number): void {
  if (n < 0x80) putByte(to, n);
  else if (n < 0x100) put8(to, 0xcc, n);
  else if (n < 0x10000) put16(to, 0xcd, n);
  else if (n < TWO_32) put32(to, 0xce, n);
  else put64(to, 0xcf, n);
}

function putNegative(to: FrameWriter, n: number): void {
  if (n >= -0x20) putByte(to, n);
  else if (n >= -0x80) put8(to, 0xd0, n);
  else if (n >= -0x8000) put16(to, 0xd1, n);
  else if (n >= -0x80000000) put32(to, 0xd2, n);
  else put64(to, 0xd3, n);
}

/** Writes text as UTF-8; a lone surrogate becomes U+FFFD. */
export function putText(to: FrameWriter, text: string): void {
  const units = text.length;
  if (units <= LOOP_UNITS && putAscii(to, text, units)) return;
  reserve(to, 5 + (units <= MEASURED_UNITS ? units * 3 : Buffer.byteLength(text)));
  const { bytes, at } = to;
  // The header's size depends on the encoded length, which is known only after writing. For ASCII
  // the guess is right.
  const guess = textHead(units);
  const length = bytes.write(text, at + guess, "utf8");
  const head = textHead(length);
  if (head !== guess) bytes.copyWithin(at + head, at + guess, at + guess + length);
  if (head === 1) bytes[at] = 0xa0 | length;
  else if (head === 2) put8(to, 0xd9, length);
  else if (head === 3) put16(to, 0xda, length);
  else put32(to, 0xdb, length);
  to.at = at + head + length;
}

/** Writes short ASCII text. Returns false and writes nothing if the text is not ASCII. */
function putAscii(to: FrameWriter, text: string, units: number): boolean {
  reserve(to, 2 + units);
  const { bytes } = to;
  let { at } = to;
  if (units < 0x20) bytes[at++] = 0xa0 | units;
  else {
    bytes[at++] = 0xd9;
    bytes[at++] = units;
  }
  for (let i = 0; i < units; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x80) return false;
    bytes[at++] = c;
  }
  to.at = at;
  return true;
}

function textHead(bytes: number): number {
  return bytes < 0x20 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5;
}

/** Writes the header of an array. */
export function putListHead(to: FrameWriter, length: number): void {
  if (length < 0x10) putByte(to, 0x90 | length);
  else if (length < 0x10000) put16(to, 0xdc, length);
  else put32(to, 0xdd, length);
}

/** Writes the header of a map. */
export function putMapHead(to: FrameWriter, length: number): void {
  if (length < 0x10) putByte(to, 0x80 | length);
  else if (length < 0x10000) put16(to, 0xde, length);
  else put32(to, 0xdf, length);
}

/** Writes bytes as a Buffer. */
export function putBuffer(to: FrameWriter, value: Uint8Array): void {
  putLength(to, 0xc4, value.byteLength);
  putBytes(to, value);
}

/** Writes bytes as an ArrayBuffer: the extension of type 0. */
export function putArrayBuffer(to: FrameWriter, value: Uint8Array): void {
  putLength(to, 0xc7, value.byteLength);
  putByte(to, 0);
  putBytes(to, value);
}

function putLength(to: FrameWriter, head8: number, length: number): void {
  reserve(to, 6 + length);
  if (length < 0x100) put8(to, head8, length);
  else if (length < 0x10000) put16(to, head8 + 1, length);
  else if (length < TWO_32) put32(to, head8 + 2, length);
  else throw new TypeError("A binary value of 4 GiB or more cannot be sent");
}

function putBytes(to: FrameWriter, value: Uint8Array): void {
  reserve(to, value.byteLength);
  to.bytes.set(value, to.at);
  to.at += value.byteLength;
}
