import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outbox } from "../../src/socket/outbox.ts";
import { createPressureMonitor } from "../../src/socket/pressure.ts";
import { createSamples } from "../../src/socket/samples.ts";
import { until } from "../harness/wait.ts";

// Seen: a tenth of a room stopped reading, and all of it was closed in one turn of the event loop.
test("connections that become slow together are closed in order, over several turns", async (t) => {
  const settings = { bufferBytesMax: 1000, stallMsMax: 1000, beatMs: 1000 };
  const monitor = createPressureMonitor(settings, {
    samples: createSamples(),
    pressuredFor: () => {},
    written: () => 0,
    checked: () => {},
  });
  t.after(() => monitor.stop());
  let turn = 0;
  const count = () => {
    turn++;
    if (closed.length < 50) setImmediate(count);
  };
  const closed: { n: number; turn: number }[] = [];
  for (let n = 0; n < 50; n++) {
    // All that closing needs of a connection.
    const slow = {
      closeSlow() {
        closed.push({ n, turn });
        for (const end = performance.now() + 0.5; performance.now() < end; );
      },
    } as Partial<Outbox> as Outbox;
    monitor.closeSoon(slow);
    monitor.closeSoon(slow);
  }
  assert.equal(closed.length, 0, "not from within the call");
  setImmediate(count);
  await until(() => closed.length === 50, "all are closed");
  assert.deepEqual(
    closed.map(({ n }) => n),
    Array.from({ length: 50 }, (_, n) => n),
  );
  assert.ok(new Set(closed.map((one) => one.turn)).size >= 10, "a few in each turn");
});

// Seen: closed as `slow_consumer` with "0 bytes unsent", because the closes of others took a while.
test("who has drained before its close comes is not closed", async (t) => {
  const monitor = createPressureMonitor(
    { bufferBytesMax: 1000, stallMsMax: 1000, beatMs: 1000 },
    { samples: createSamples(), pressuredFor: () => {}, written: () => 0, checked: () => {} },
  );
  t.after(() => monitor.stop());
  const closed: number[] = [];
  const stalled = [0, 1, 2].map((n) => {
    // All that the monitor needs of a connection.
    const one = {
      pressured: true,
      accepts: true,
      heldBytes: 500,
      pressedAt: 0,
      progressAt: performance.now() - 1001,
      look() {},
      closeSlow() {
        closed.push(n);
        release(one, false);
        if (n > 0) return;
        for (const end = performance.now() + 2; performance.now() < end; );
        setImmediate(() => {
          if (stalled[1]) release(stalled[1], true);
        });
      },
    } as { -readonly [K in keyof Outbox]?: Outbox[K] } as Outbox;
    return one;
  });
  const release = (one: Outbox, drained: boolean) => {
    one.pressured = false;
    monitor.relieved(one, drained);
  };
  for (const one of stalled) {
    monitor.add(one);
    monitor.pressed(one);
  }
  await until(() => closed.includes(2), "the close of the last");
  assert.deepEqual(closed, [0, 2]);
});

test("unsent bytes are looked at for a while after something was written, and pings are not", async (t) => {
  const samples = createSamples();
  let written = 0;
  const monitor = createPressureMonitor(
    { bufferBytesMax: 1000, stallMsMax: 1000, beatMs: 150 },
    { samples, pressuredFor: () => {}, written: () => written, checked: () => checks++ },
  );
  t.after(() => monitor.stop());
  let checks = 0;
  let looks = 0;
  // All that the monitor needs of a connection.
  const idle = {
    beatAt: Number.POSITIVE_INFINITY,
    pressured: false,
    heldBytes: 0,
    look: () => looks++,
  } as { -readonly [K in keyof Outbox]?: unknown } as Outbox;
  monitor.add(idle);
  t.after(() => monitor.remove(idle));
  const rests = async () => {
    const [checksBefore, looksBefore] = [checks, looks];
    await until(() => checks >= checksBefore + 5, "further checks");
    return looks === looksBefore;
  };
  const looked = async (what: string, write: () => void) => {
    while (!(await rests()));
    const before = looks;
    write();
    await until(() => looks > before, `looks after ${what}`);
  };
  await looked("a broadcast", () => written++);
  await looked("a message", () => samples.sent.message++);
  await looked("a pong", () => samples.sent.pong++);
  while (!(await rests()));
  samples.sent.ping++;
  assert.ok(await rests(), "none after a ping");
});
