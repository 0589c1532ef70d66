/** What is shown of any value: no secrets, and never more than the bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createKeptLines } from "../../src/console/lines.ts";
import { mask } from "../../src/console/masks.ts";

test("objects that refer to each other are copied within a bound", () => {
  const users: { name: string; friends?: object }[] = [];
  for (let at = 0; at < 40; at++) users.push({ name: `user ${at}`, friends: users });
  assert.ok(JSON.stringify(mask({ user: users[0] })).length < 300_000);
  const texts = Array.from({ length: 200 }, () => Array(200).fill("x".repeat(2000)));
  assert.ok(JSON.stringify(mask(texts)).length < 300_000);
  assert.ok(JSON.stringify(mask({ ["n".repeat(1e6)]: 1 })).length < 1000);
});

test("a copy is what codecs would send, and what cannot be read is said to be so", () => {
  const user = { hash: "of a person", toJSON: () => ({ name: "ann", token: "hidden" }) };
  assert.deepEqual(mask([user]), [{ name: "ann", token: "•••" }]);
  assert.equal(mask(new Date(0)), "1970-01-01T00:00:00.000Z");
  assert.deepEqual(mask(new Map([["a", new Set([1])]])), [["a", [1]]]);
  const odd = {
    get broken(): never {
      throw new Error("not now");
    },
  };
  assert.deepEqual(mask({ odd, good: 1 }), { odd: "(unreadable)", good: 1 });
});

test("lines are kept without the long texts of their errors", () => {
  const lines = createKeptLines(2);
  const log = lines.keep(() => {});
  for (let at = 0; at < 3; at++) {
    log("error", { component: "handlers", error: new Error("long ".repeat(1e5)) }, `line ${at}`);
  }
  const kept = lines.list();
  assert.deepEqual(
    kept.map(({ text }) => text),
    ["line 1", "line 2"],
  );
  assert.match(String(kept[0]?.fields.error), /^long /);
  assert.ok(JSON.stringify(kept).length < 10_000);
});
