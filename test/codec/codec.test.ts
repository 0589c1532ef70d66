import assert from "node:assert/strict";
import { test } from "node:test";
import { createCodec } from "../../src/codec/codec.ts";
import type { CodecName, Frame, Packet } from "../../src/core/packet.ts";
import { readSettings } from "../../src/core/settings.ts";

const settings = { ...readSettings({}).codec, packetBytesMax: 1_000_000 };
const CODECS = ["msgpack", "json"] as const;

function event(...data: unknown[]): Packet {
  return { type: 2, nsp: "/", data };
}

/** Reads all frames and returns the packet of the last, having seen that the others give none. */
function readAll(frames: readonly Frame[], codec = createCodec(settings)): Packet {
  const reader = codec.createReader();
  const packets = frames.map((frame) => reader.read(frame));
  const last = packets.pop();
  assert.ok(packets.every((packet) => packet === undefined));
  assert.ok(last);
  return last;
}

for (const name of CODECS) {
  test(`a ${name} packet comes back as it was sent, binary values included`, () => {
    const sent: Packet = {
      type: 2,
      nsp: "/chat",
      data: ["say", { text: "häλ😀", list: [1, [2]], flag: true, none: null }, Buffer.from("bin")],
      id: 12,
    };
    assert.deepEqual(readAll(createCodec(settings).encode(sent).of(name)), sent);
  });

  test(`a packet is encoded in ${name} at most once, and only when asked for`, () => {
    const codec = createCodec(settings);
    const frames = codec.encode(event("news", 1));
    assert.deepEqual(codec.samples().encoded, { msgpack: 0, json: 0 });
    assert.equal(frames.of(name), frames.of(name));
    const expected: Record<CodecName, number> = { msgpack: 0, json: 0, [name]: 1 };
    assert.deepEqual(codec.samples().encoded, expected);
  });
}

test("the parser gives one lazy frame and passes decoded packets through until destroyed", () => {
  const { parser } = createCodec(settings);
  const [frames, ...more] = new parser.Encoder().encode(event("a"));
  assert.equal(more.length, 0);
  assert.deepEqual(frames.of("json"), ['2["a"]']);
  const decoder = new parser.Decoder();
  const seen: Packet[] = [];
  decoder.on("decoded", (packet) => seen.push(packet));
  const packet = event("b");
  decoder.add(packet);
  decoder.destroy();
  decoder.add(packet);
  assert.deepEqual(seen, [packet]);
  assert.equal(seen[0], packet);
});
