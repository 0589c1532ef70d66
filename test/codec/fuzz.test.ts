import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame, Packet } from "../../src/core/packet.ts";
import { createOurSubject, type FuzzSubject, fuzz } from "../fuzz/fuzz.ts";
import { SEED, TIMES } from "../harness/random.ts";

const INPUTS = (process.env.DEEP ? 100_000 : 20_000) * TIMES;

test("no mutated packet breaks a promise of the codec", (t) => {
  t.diagnostic(`seed ${SEED}`);
  const { findings, packets, refused } = fuzz(SEED, INPUTS);
  assert.deepEqual(findings, []);
  // Most of the inputs must get past the first checks, or this would test little.
  assert.ok(packets > INPUTS / 5, `only ${packets} were accepted`);
  assert.ok(refused > INPUTS / 5, `only ${refused} were refused`);
});

/** Our reader, with a fault in every packet it accepts. */
function faulty(fault: (packet: Packet, frame: Frame) => Packet): FuzzSubject {
  const ours = createOurSubject();
  return () => {
    const read = ours();
    return (frame) => {
      const packet = read(frame);
      return packet && fault(packet, frame);
    };
  };
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
let kept: unknown;
const FAULTS: Readonly<Record<string, [found: RegExp, fault: (packet: Packet) => Packet]>> = {
  "an untyped error": [
    /untyped error/,
    () => {
      throw new RangeError("planted");
    },
  ],
  "a reserved event": [
    /event disconnect/,
    (packet) => ({ ...packet, type: 2, data: ["disconnect"] }),
  ],
  "a wrong value": [/reads something else/, (packet) => ({ ...packet, id: 4242 })],
  "a stranger's prototype": [
    /prototype/,
    (packet) => ({ ...packet, type: 3, data: [Object.create({ admin: true })] }),
  ],
  "an empty list of too much memory": [
    /bytes of memory/,
    (packet) => {
      kept = new Array(20_000);
      return packet;
    },
  ],
  "a wait of too much time": [
    /took \d+\.?\d* ms/,
    (packet) => {
      Atomics.wait(PAUSE, 0, 0, 6);
      return packet;
    },
  ],
};

for (const [name, [found, fault]] of Object.entries(FAULTS)) {
  test(`the fuzz finds ${name} if there is one`, () => {
    const { findings } = fuzz(SEED, 200, faulty(fault));
    assert.match(findings[0]?.fault ?? "nothing", found);
    kept = undefined;
    assert.equal(kept, undefined);
  });
}
