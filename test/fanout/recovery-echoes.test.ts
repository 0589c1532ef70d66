import assert from "node:assert/strict";
import { test } from "node:test";
import { createEchoes } from "../../src/fanout/recovery-echoes.ts";

test("an offset names whom recovery served, once", () => {
  const echoes = createEchoes();
  echoes.add("1-0", "a");
  echoes.add("1-0", "b");
  assert.deepEqual([...(echoes.take("1-0") ?? [])], ["a", "b"]);
  assert.equal(echoes.take("1-0"), undefined);
  assert.equal(echoes.take("2-0"), undefined);
});

test("what no bus brings is forgotten after 30 s, though nobody comes back any more", (t) => {
  // Seen: offsets were forgotten only when a later client came back, so that after a wave of
  // returns every client's id stayed with every packet it had missed.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const echoes = createEchoes();
  echoes.add("1-0", "a");
  pass(10_000);
  echoes.add("2-0", "a");
  pass(19_999);
  assert.equal(echoes.size, 2);
  pass(1);
  assert.equal(echoes.size, 1);
  pass(10_000);
  assert.equal(echoes.size, 0);
  echoes.add("3-0", "a");
  pass(30_000);
  assert.equal(echoes.size, 0);
});
