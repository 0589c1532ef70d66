import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from "node:zlib";

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

/** A `Content-Encoding` that can be read. */
export type Coding = "identity" | "gzip" | "deflate" | "br";

/** The value of `Accept-Encoding` for the codings that can be read. */
export const CODINGS = "gzip, deflate, br";

const BY_NAME: ReadonlyMap<string, Coding> = new Map([
  ["identity", "identity"],
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "br"],
]);

/** Returns the coding of a `Content-Encoding`; `undefined` for an unknown one or for several. */
export function readCoding(given: string | undefined): Coding | undefined {
  const names = (given ?? "").toLowerCase().split(",");
  const coded = names.map((name) => name.trim()).filter((name) => !PLAIN.has(name));
  return coded.length > 1 ? undefined : BY_NAME.get(coded[0] ?? "identity");
}

const PLAIN = new Set(["", "identity"]);

/**
 * Resolves with the decompressed body. Stops at `bytesMax`, however small the compressed body is.
 * Never rejects.
 */
export function inflateBody(
  bytes: Buffer,
  coding: Coding,
  bytesMax: number,
): Promise<Buffer | "too_large" | "broken"> {
  if (coding === "identity" || bytes.length === 0) return Promise.resolve(bytes);
  return new Promise((resolve) => {
    const done = (error: NodeJS.ErrnoException | null, whole: Buffer): void => {
      if (!error) resolve(whole);
      else resolve(error.code === "ERR_BUFFER_TOO_LARGE" ? "too_large" : "broken");
    };
    const options: ZlibOptions = { maxOutputLength: bytesMax };
    if (coding === "br")
      brotliDecompress(bytes, options as object, done); // brotli takes maxOutputLength as well
    else if (coding === "gzip") gunzip(bytes, options, done);
    // RFC 9110, 8.4.1.2: deflate has a zlib header, but some clients omit it. The header's lower
    // four bits are 8, the compression method.
    else if (((bytes[0] ?? 0) & 15) === 8) inflate(bytes, options, done);
    else inflateRaw(bytes, options, done);
  });
}
