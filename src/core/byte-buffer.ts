/** Collects bytes that arrive in chunks, such as the body of a request. */
export interface ByteBuffer {
  /** Bytes collected so far. */
  readonly length: number;
  /** Adds a copy of a chunk. Returns false and adds nothing if that would exceed a limit. */
  add(chunk: Uint8Array): boolean;
  /** Frees the memory and starts over. */
  drop(): void;
  /** Returns the bytes so far, as a view that is valid until the next `add`. */
  bytes(): Buffer;
}

/** Any body may come in this many chunks, however small. */
const CHUNKS_FREE = 16_384;
/** Bytes that each further chunk must have on average. */
const CHUNK_BYTES_MIN = 64;

/**
 * Returns an empty buffer for at most `bytesMax` bytes.
 *
 * It allocates at most twice what has arrived: a declared length is not trusted, and a body of
 * one-byte chunks costs no more memory than any other. The number of tiny chunks is limited too,
 * because each costs time.
 */
export function createByteBuffer(bytesMax: number): ByteBuffer {
  let held = Buffer.alloc(0);
  let length = 0;
  let chunks = 0;
  return {
    get length() {
      return length;
    },
    add(chunk) {
      const next = length + chunk.byteLength;
      if (next > bytesMax || ++chunks > CHUNKS_FREE + next / CHUNK_BYTES_MIN) return false;
      if (next > held.length) {
        const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(next, 2 * held.length)));
        held.copy(larger, 0, 0, length);
        held = larger;
      }
      held.set(chunk, length);
      length = next;
      return true;
    },
    drop() {
      held = Buffer.alloc(0);
      length = 0;
    },
    bytes: () => held.subarray(0, length),
  };
}
