/** Receives one WebSocket message: opcode 1 is text, 2 binary, 8 close, 9 ping, 10 pong. */
export type MessageSink = (opcode: number, bytes: Buffer, start: number, end: number) => void;

/** Reads the WebSocket messages out of one connection's bytes. */
export interface Scanner {
  /** Takes the first `length` bytes of `chunk`; they may be overwritten once this returns. */
  push(chunk: Buffer, length: number): void;
}

const EMPTY = Buffer.alloc(0);
/** A server's frame header is at most this long: 2 bytes and a 64-bit length (RFC 6455, 5.2). */
const HEADER_BYTES_MAX = 10;
/** Above this a frame is taken for garbage: far beyond any payload the scenarios send. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Returns a scanner of unmasked frames (RFC 6455, 5.2), as servers send them.
 *
 * This alone is not shared with the raw client of the tests (`test/harness/wire-*.ts`): every message
 * of a load passes here, and a promise for each would make the generator the bottleneck.
 * Bytes are looked at in place; only what is left of a frame cut by the end of a read is copied.
 * Fragmented messages are joined. Throws on a masked or compressed frame, which nobody negotiated.
 */
export function createScanner(sink: MessageSink): Scanner {
  let carry = EMPTY;
  let fragments: Buffer[] = [];
  let fragmentOpcode = 0;

  const take = (first: number, bytes: Buffer, start: number, end: number): void => {
    const opcode = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    if (isLast && opcode !== 0) {
      sink(opcode, bytes, start, end);
      return;
    }
    if (opcode !== 0) fragmentOpcode = opcode;
    fragments.push(Buffer.from(bytes.subarray(start, end)));
    if (!isLast) return;
    const whole = Buffer.concat(fragments);
    fragments = [];
    sink(fragmentOpcode, whole, 0, whole.length);
  };

  return {
    push(chunk, length) {
      const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk.subarray(0, length)]);
      const end = carry.length === 0 ? length : bytes.length;
      const used = scanFrames(bytes, end, take);
      carry = used === end ? EMPTY : Buffer.from(bytes.subarray(used, end));
    },
  };
}

/** Calls `take` for every whole frame and returns how many bytes they were. */
function scanFrames(
  bytes: Buffer,
  end: number,
  take: (first: number, bytes: Buffer, start: number, end: number) => void,
): number {
  let at = 0;
  while (end - at >= 2) {
    const first = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    let header = 2;
    if (first & 0x70 || length & 0x80) throw new Error("not a server's plain WebSocket frame");
    if (length === 126) {
      if (end - at < 4) break;
      length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
      header = 4;
    } else if (length === 127) {
      if (end - at < HEADER_BYTES_MAX) break;
      length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
      header = HEADER_BYTES_MAX;
      if (length > FRAME_BYTES_MAX) throw new Error(`a frame of ${length} bytes`);
    }
    const start = at + header;
    if (start + length > end) break;
    at = start + length;
    take(first, bytes, start, at);
  }
  return at;
}
