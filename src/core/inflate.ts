import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from "node:zlib";

/** How a body was compressed: one name of a `Content-Encoding`. */
export type Coding = "identity" | "gzip" | "deflate" | "br";

/** The codings that are read, as `Accept-Encoding` lists them. */
export const CODINGS = "gzip, deflate, br";

const BY_NAME: ReadonlyMap<string, Coding> = new Map([
  ["identity", "identity"],
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "br"],
]);

/**
 * Returns the coding that a `Content-Encoding` names; `undefined` for others, and for several at
 * once.
 */
export function readCoding(given: string | undefined): Coding | undefined {
  const names = (given ?? "").toLowerCase().split(",");
  const coded = names.map((name) => name.trim()).filter((name) => !PLAIN.has(name));
  return coded.length > 1 ? undefined : BY_NAME.get(coded[0] ?? "identity");
}

const PLAIN = new Set(["", "identity"]);

/**
 * Resolves with what a body was before it was compressed. Nothing is inflated beyond `bytesMax`,
 * however small it came. Never rejects.
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
      brotliDecompress(bytes, options as object, done); // both take this option
    else if (coding === "gzip") gunzip(bytes, options, done);
    // RFC 9110, 8.4.1.2: it has a zlib header, and some send it without; compression method 8
    // tells.
    else if (((bytes[0] ?? 0) & 15) === 8) inflate(bytes, options, done);
    else inflateRaw(bytes, options, done);
  });
}
