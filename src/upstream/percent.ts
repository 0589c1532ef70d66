const SAFE_IN_HEADER = /^[\x21\x23-\x24\x26-\x7e]*$/;
const SAFE_IN_PATH = /^[A-Za-z0-9_~!*'()-]*$/;
const KEEP_IN_PATH = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.";

/**
 * Returns user text as a CloudEvents header value: space, `"`, `%` and everything outside U+0021 to
 * U+007E as UTF-8 `%XY` (CloudEvents HTTP binding 1.0.2, section 3.1.3.2). Lone surrogates become
 * U+FFFD, as in any UTF-8 text.
 */
export function encodeHeader(text: string): string {
  if (SAFE_IN_HEADER.test(text)) return text;
  return encode(text, (byte) => byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25);
}

/**
 * Returns user text as one segment of a URL's path, or `undefined` for what no segment can be: an
 * empty text, and `.` and `..`, which servers resolve even when they are percent-encoded.
 */
export function encodeSegment(text: string): string | undefined {
  if (text === "" || text === "." || text === "..") return undefined;
  if (SAFE_IN_PATH.test(text)) return text;
  return encode(text, (byte) => KEEP_IN_PATH.includes(String.fromCharCode(byte)));
}

function encode(text: string, keep: (byte: number) => boolean): string {
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    encoded += keep(byte)
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
