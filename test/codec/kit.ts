import assert from "node:assert/strict";
import type { Codec, FrameReader } from "../../src/codec/codec.ts";
import { createCodec } from "../../src/codec/codec.ts";
import type { CodecSettings } from "../../src/codec/limits.ts";
import { type FailureCode, FailureError } from "../../src/core/failures.ts";
import type { Frame, Packet } from "../../src/core/packet.ts";
import { readSettings } from "../../src/core/settings.ts";

/** The defaults, with some settings changed. */
export function settingsWith(changes: Partial<CodecSettings> = {}): CodecSettings {
  return { ...readSettings({}).codec, packetBytesMax: 1_000_000, ...changes };
}

/** A codec with the defaults, some settings changed. */
export function codecWith(changes: Partial<CodecSettings> = {}): Codec {
  return createCodec(settingsWith(changes));
}

/** An event in the main namespace. */
export function event(...data: unknown[]): Packet {
  return { type: 2, nsp: "/", data };
}

/** Reads all frames, the last of which must complete the packet. */
export function readAll(frames: readonly Frame[], reader = codecWith().createReader()): Packet {
  const packets = frames.map((frame) => reader.read(frame));
  const last = packets.pop();
  assert.ok(packets.every((packet) => packet === undefined));
  assert.ok(last);
  return last;
}

/** Bytes written in hex, with spaces where they help, and other frames after one another. */
export function bytes(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === "string" ? Buffer.from(part.replaceAll(" ", ""), "hex") : part,
    ),
  );
}

/** A msgpack event whose data is given in bytes. */
export function packetWithData(...data: readonly (string | Buffer)[]): Buffer {
  return bytes("83 a474797065 02 a36e7370 a12f a464617461", ...data);
}

/** The code with which the frames are refused: all but the last are taken. */
export function refusalOf(frames: readonly Frame[], reader: FrameReader): FailureCode {
  for (const frame of frames.slice(0, -1)) assert.equal(reader.read(frame), undefined);
  const last = frames.at(-1);
  assert.ok(last !== undefined);
  try {
    reader.read(last);
  } catch (error) {
    assert.ok(error instanceof FailureError, `not a FailureError: ${error}`);
    return error.code;
  }
  assert.fail("the frame was not refused");
}
