import { FailureError } from "../core/failures.ts";
import type { Limits } from "./limits.ts";
import { putValue } from "./msgpack/encode.ts";
import { begin, createFrameCursor, end } from "./msgpack/frame-cursor.ts";
import { createFrameWriter, writeFrame } from "./msgpack/frame-writer.ts";
import { takeValue } from "./msgpack/read.ts";

/** Any value as msgpack, in the same wire format and within the same bounds as packets. */
export interface ValueCodec {
  /** Throws a TypeError for what cannot be sent, such as a bigint. */
  encode(value: unknown): Buffer;
  /**
   * Throws FailureError CODEC_*. Binary values are views on `bytes`, which must stay as they are.
   */
  decode(bytes: Buffer): unknown;
}

/** Returns the codec of values that are no packets: bodies of HTTP requests and answers. */
export function createValueCodec(limits: Limits): ValueCodec {
  const writer = createFrameWriter();
  const cursor = createFrameCursor(limits);
  return {
    encode: (value) => writeFrame(writer, putValue, value),
    decode(bytes) {
      begin(cursor, bytes, true);
      try {
        const value = takeValue(cursor);
        if (cursor.at !== cursor.end) {
          throw new FailureError("CODEC_MALFORMED", "bytes after the value");
        }
        return value;
      } finally {
        end(cursor);
      }
    },
  };
}
