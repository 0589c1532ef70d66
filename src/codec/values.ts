import { FailureError } from "../core/failures.ts";
import type { Limits } from "./limits.ts";
import { putValue } from "./msgpack/encode.ts";
import { begin, createFrameCursor, end } from "./msgpack/frame-cursor.ts";
import { takeValue } from "./msgpack/read.ts";
import { createFrameWriter, writeFrame } from "./msgpack/write.ts";

/** Encodes and decodes any value as msgpack, with the wire format and limits of packets. */
export interface ValueCodec {
  /** Throws a TypeError for values that cannot be sent, such as a bigint. */
  encode(value: unknown): Buffer;
  /** Throws FailureError CODEC_*. Binary values are views on `bytes`, so do not change it. */
  decode(bytes: Buffer): unknown;
}

/** Returns a codec for the bodies of HTTP requests and responses. */
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
