import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodecName, Packet } from "../../src/core/packet.ts";
import { codecWith, event, readAll } from "./kit.ts";

const CODECS = ["msgpack", "json"] as const;

for (const name of CODECS) {
  test(`a ${name} packet comes back as it was sent, binary values included`, () => {
    const sent: Packet = {
      type: 2,
      nsp: "/chat",
      data: ["say", { text: "häλ😀", list: [1, [2]], flag: true, none: null }, Buffer.from("bin")],
      id: 12,
    };
    assert.deepEqual(readAll(codecWith().encode(sent).of(name)), sent);
  });

  test(`a packet is encoded in ${name} at most once, and only when asked for`, () => {
    const codec = codecWith();
    const frames = codec.encode(event("news", 1));
    assert.deepEqual(codec.samples().encoded, { msgpack: 0, json: 0 });
    assert.equal(frames.of(name), frames.of(name));
    const expected: Record<CodecName, number> = { msgpack: 0, json: 0, [name]: 1 };
    assert.deepEqual(codec.samples().encoded, expected);
  });

  test(`arguments may change once ${name} frames are kept, for everyone`, () => {
    const body = { text: "before", bytes: Buffer.from("before") };
    const codec = codecWith();
    const frames = codec.encode(event("news", body));
    frames.of(name);
    const kept = frames.keep(name);
    assert.equal(frames.keep(name), kept);
    assert.deepEqual(frames.of(name), kept);
    assert.equal(codec.samples().encoded[name], 1);
    body.text = "after!";
    body.bytes.write("after!");
    const { data } = readAll(frames.of(name));
    assert.deepEqual(data, ["news", { text: "before", bytes: Buffer.from("before") }]);
  });

  test(`a binary event type from another node is sent as a plain event in ${name}`, () => {
    const sent: Packet = { type: 5, nsp: "/", data: ["b", Buffer.from([1])], id: 3 };
    assert.deepEqual(readAll(codecWith().encode(sent).of(name)), { ...sent, type: 2 });
    const ack: Packet = { type: 6, nsp: "/", data: [Buffer.from([1])], id: 3 };
    assert.deepEqual(readAll(codecWith().encode(ack).of(name)), { ...ack, type: 3 });
  });

  test(`a packet that cannot be sent in ${name} throws, and the next one is unharmed`, () => {
    const codec = codecWith();
    const loop: unknown[] = [];
    loop.push(loop);
    assert.throws(() => codec.encode(event("n", 1n)).of(name), TypeError);
    assert.throws(() => codec.encode(event("n", loop)).of(name), /stack|circular/);
    assert.deepEqual(readAll(codec.encode(event("n", 1)).of(name)).data, ["n", 1]);
    assert.equal(codec.samples().encoded[name], 1);
  });

  test(`a toJSON that sends a packet itself harms neither ${name} packet`, () => {
    const codec = codecWith();
    let inner: Packet | undefined;
    const nested = {
      toJSON() {
        inner = readAll(codec.encode(event("inner", "i".repeat(40_000))).of(name));
        return "outer value";
      },
    };
    const first = codec.encode(event("first", "f".repeat(50))).of(name);
    const outer = codec.encode(event("outer", "o".repeat(60), nested, "end")).of(name);
    const last = codec.encode(event("last")).of(name);
    assert.deepEqual(inner?.data, ["inner", "i".repeat(40_000)]);
    assert.deepEqual(readAll(outer).data, ["outer", "o".repeat(60), "outer value", "end"]);
    assert.deepEqual(readAll(first).data, ["first", "f".repeat(50)]);
    assert.deepEqual(readAll(last).data, ["last"]);
  });
}

test("attachments in JSON are the caller's own bytes, and no others, until they are kept", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const args = [bytes.subarray(1, 3), bytes.buffer, Buffer.from(bytes.buffer, 3)];
  const [, ...attachments] = codecWith()
    .encode(event("e", ...args))
    .of("json") as Buffer[];
  bytes[3] = 9;
  assert.deepEqual(attachments, [Buffer.of(2, 3), Buffer.of(1, 2, 3, 9), Buffer.of(9)]);
});

test("no frame changes when later ones are written, whatever their sizes", () => {
  const codec = codecWith();
  const sizes = [1, 30, 31, 32, 200, 255, 256, 5000, 16_000, 17_000, 70_000, 3, 40_000, 16_384, 9];
  const texts = [...sizes, ...sizes].map((size, i) => String.fromCharCode(97 + i).repeat(size));
  const sent = texts.map((text) => codec.encode(event("t", text)).of("msgpack"));
  assert.deepEqual(
    sent.map((frames) => readAll(frames).data),
    texts.map((text) => ["t", text]),
  );
});

test("the parser gives one lazy frame and passes decoded packets through until destroyed", () => {
  const { parser } = codecWith();
  const [frames, ...more] = new parser.Encoder().encode(event("a"));
  assert.equal(more.length, 0);
  assert.equal(frames.type, 2);
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
