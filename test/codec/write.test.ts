import assert from "node:assert/strict";
import { test } from "node:test";
import { writeScalars } from "../../src/codec/json/write.ts";

test("text with any UTF-16 unit in it becomes what JSON.stringify makes of it", () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const data = [`a${String.fromCharCode(unit)}b`, String.fromCharCode(unit)];
    if (writeScalars(data) !== JSON.stringify(data)) assert.fail(`unit ${unit.toString(16)}`);
  }
});

test("every other scalar becomes what JSON.stringify makes of it", () => {
  const numbers = [0, -0, 1, -1.5, 1e21, 1e-7, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY];
  for (const data of [[], [true], [false, null], [undefined, 1], ["", "😀", "\ud83d"], numbers]) {
    assert.equal(writeScalars(data), JSON.stringify(data));
  }
});

test("what is no list of scalars is left to others", () => {
  class Named extends Array<unknown> {
    toJSON() {
      return "named";
    }
  }
  const others = [undefined, null, "text", {}, [{}], [[]], [1n], [() => {}], [Symbol("s")]];
  for (const data of [...others, [new Date(0)], [Buffer.of(1)], new Named()]) {
    assert.equal(writeScalars(data), undefined);
  }
});
