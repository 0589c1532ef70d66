import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from "node:zlib";

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
