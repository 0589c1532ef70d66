// Seen: 82 connections with 99 KB of CONNECT each, 99,000 empty maps in msgpack, ended a process of
// 512 MiB of heap. The old code held a CONNECT against the limits of any packet, and kept its auth.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodecSettings } from "../../src/codec/limits.ts";
import { type FailureCode, FailureError } from "../../src/core/failures.ts";
import type { Frame, Packet } from "../../src/core/packet.ts";
import { createSpeech } from "../harness/wire-speech.ts";
import { codecWith, readAll } from "./kit.ts";

const BOUNDS = { connectBytesMax: 300, connectElementsMax: 10, connectDepthMax: 3 };

/** A packet as the clients' own encoder writes it: in the order of its keys. */
const encode = (packet: Packet): Buffer => createSpeech("msgpack").say(packet)[0] as Buffer; // its only one

/** The ways a CONNECT can be written; where its type stands is the client's to choose. */
const WRITINGS: Readonly<Record<string, (auth: object) => Frame>> = {
  JSON: (auth) => `0${JSON.stringify(auth)}`,
  "JSON with a namespace": (auth) => `0/a,${JSON.stringify(auth)}`,
  msgpack: (auth) => encode({ type: 0, nsp: "/", data: auth }),
  "msgpack with its type last": (auth) => encode({ data: auth, nsp: "/", type: 0 }),
};

const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
const list = (length: number) => ({ a: Array.from({ length }, () => ({})) });

/** Auth objects within each bound, and beyond it. */
const AUTHS: readonly (readonly [string, object, object, FailureCode])[] = [
  ["deep", nested(3), nested(4), "CODEC_TOO_DEEP"],
  ["many", list(9), list(10), "CODEC_TOO_MANY_ELEMENTS"],
];

for (const [writing, write] of Object.entries(WRITINGS)) {
  for (const outside of [true, false]) {
    const where = outside ? "before a namespace" : "to a further namespace";
    const read = (frame: Frame, changes: Partial<CodecSettings> = {}) =>
      codecWith({ ...BOUNDS, ...changes })
        .createReader()
        .read(frame, true, outside);
    const refusal = (...given: Parameters<typeof read>): FailureCode => {
      try {
        read(...given);
      } catch (error) {
        assert.ok(error instanceof FailureError);
        return error.code;
      }
      assert.fail("the frame was not refused");
    };
    test(`a CONNECT ${where} has bounds of its own (${writing})`, () => {
      for (const [, within, beyond, code] of AUTHS) {
        assert.deepEqual(read(write(within))?.data, within);
        assert.equal(refusal(write(beyond)), code);
      }
      const empty = Buffer.byteLength(write({ a: "" }));
      for (const more of [0, 1]) {
        // Two more for the longer header of a text in msgpack.
        const head = writing.startsWith("msgpack") ? 2 : 0;
        const frame = write({ a: "x".repeat(300 - empty - head + more) });
        assert.equal(Buffer.byteLength(frame), 300 + more);
        if (more === 0) assert.equal(read(frame)?.type, 0);
        else assert.equal(refusal(frame), "CODEC_TOO_LARGE");
      }
    });
    test(`a CONNECT ${where} is never believed more than any packet (${writing})`, () => {
      assert.equal(
        refusal(write(nested(4)), { connectDepthMax: 9, depthMax: 3 }),
        "CODEC_TOO_DEEP",
      );
    });
  }
}

test("what comes before a CONNECT is answered has its bounds, and may announce no attachments", () => {
  const codec = codecWith(BOUNDS);
  const events = [`2["x","${"x".repeat(300)}"]`, encode({ type: 2, nsp: "/", data: list(10) })];
  for (const frame of events) {
    const reader = codec.createReader();
    assert.throws(() => reader.read(frame, true, true), /CONNECT/);
  }
  const header = '51-["x",{"_placeholder":true,"num":0}]';
  assert.throws(
    () => codec.createReader().read(header, true, true),
    /attachments before a CONNECT/,
  );
});

test("events of a member keep the limits of packets", () => {
  const codec = codecWith(BOUNDS);
  const data = ["x", list(50), nested(20), "x".repeat(1000)];
  assert.deepEqual(readAll([`2${JSON.stringify(data)}`], codec.createReader()).data, data);
  const frame = encode({ type: 2, nsp: "/", data });
  assert.deepEqual(readAll([frame], codec.createReader()).data, data);
});

test("binary values of a CONNECT are copies: its frame is not kept with them", () => {
  const frame = encode({ type: 0, nsp: "/", data: { key: Buffer.from([1, 2, 3]) } });
  const packet = codecWith().createReader().read(frame, true, true);
  frame.fill(0);
  assert.deepEqual(packet?.data, { key: Buffer.from([1, 2, 3]) });
});
