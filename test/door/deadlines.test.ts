import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDeadlines, type Deadline } from "../../src/door/deadlines.ts";

function createClock() {
  let now = 0;
  let armed: { at: number; fire: () => void } | undefined;
  let timers = 0;
  return {
    needs: {
      now: () => now,
      timer(ms: number, fire: () => void) {
        timers++;
        const mine = { at: now + ms, fire };
        armed = mine;
        return () => {
          timers--;
          if (armed === mine) armed = undefined;
        };
      },
    },
    get now() {
      return now;
    },
    /** Sets the clock; timers go on as if nothing had happened. */
    set(to: number) {
      if (armed) armed.at += to - now;
      now = to;
    },
    get timers() {
      return timers;
    },
    get waits() {
      return armed === undefined ? undefined : armed.at - now;
    },
    advance(to: number) {
      while (armed && armed.at <= to) {
        now = armed.at;
        const { fire } = armed;
        armed = undefined;
        timers--;
        fire();
      }
      now = to;
    },
  };
}

test("deadlines fire in order of time, with one timer for all of them", () => {
  const clock = createClock();
  const deadlines = createDeadlines(clock.needs);
  const fired: number[] = [];
  for (const at of [50, 10, 30, 10, 40]) {
    deadlines.add(at, () => fired.push(at));
    assert.equal(clock.timers, 1);
  }
  clock.advance(30);
  assert.deepEqual(fired, [10, 10, 30]);
  clock.advance(100);
  assert.deepEqual(fired, [10, 10, 30, 40, 50]);
  assert.equal(clock.timers, 0);
});

test("a long wait is taken in steps, so that a clock that is set is noticed within a minute", () => {
  // Seen: after a machine had slept for an hour, a token that ended meanwhile went on for the rest of
  // the wait. The one timer was set for all of it, and timers do not count sleep.
  const clock = createClock();
  const deadlines = createDeadlines(clock.needs);
  let fired = 0;
  deadlines.add(30 * 60_000, () => fired++);
  assert.equal(clock.waits, 60_000);
  clock.advance(30 * 60_000 - 1);
  assert.equal(fired, 0);
  clock.advance(30 * 60_000);
  assert.equal(fired, 1);
  deadlines.add(clock.now + 30 * 60_000, () => fired++);
  clock.set(clock.now + 60 * 60_000);
  clock.advance(clock.now + 60_000);
  assert.equal(fired, 2);
});

test("a deadline that never happens arms no timer and can be moved to one that does", () => {
  const clock = createClock();
  const deadlines = createDeadlines(clock.needs);
  let fired = 0;
  const never = deadlines.add(Number.POSITIVE_INFINITY, () => fired++);
  const soon = deadlines.add(5, () => fired++);
  assert.equal(clock.timers, 1);
  soon.cancel();
  assert.equal(clock.timers, 0);
  never.move(7);
  clock.advance(7);
  assert.equal(fired, 1);
});

test("a deadline may add, move and cancel others while it fires, and stop forgets all", () => {
  const clock = createClock();
  const deadlines = createDeadlines(clock.needs);
  const fired: string[] = [];
  const doomed = deadlines.add(10, () => fired.push("doomed"));
  const moved = deadlines.add(11, () => fired.push("moved"));
  deadlines.add(5, () => {
    fired.push("first");
    doomed.cancel();
    moved.move(20);
    deadlines.add(1, () => fired.push("late"));
  });
  clock.advance(15);
  assert.deepEqual(fired, ["first", "late"]);
  clock.advance(20);
  assert.deepEqual(fired, ["first", "late", "moved"]);
  moved.move(30);
  assert.equal(deadlines.size, 1, "a fired deadline can be set again");
  deadlines.stop();
  assert.equal(clock.timers, 0);
  assert.equal(deadlines.size, 0);
});

test("any history of adding, moving and cancelling fires exactly what is due, in order", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("add" as const), at: fc.nat(1000), of: fc.nat(50) }),
    fc.record({ do: fc.constant("move" as const), at: fc.nat(1000), of: fc.nat(50) }),
    fc.record({ do: fc.constant("cancel" as const), at: fc.nat(1000), of: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = createClock();
      const deadlines = createDeadlines(clock.needs);
      const held: Deadline[] = [];
      const expected = new Map<number, number>();
      const fired: number[] = [];
      for (const { do: what, at, of } of steps) {
        const known = held.length === 0 ? -1 : of % held.length;
        if (what === "add") {
          const name = held.length;
          held.push(deadlines.add(at, () => fired.push(name)));
          expected.set(name, at);
        } else if (what === "move") {
          held[known]?.move(at);
          if (known >= 0) expected.set(known, at);
        } else {
          held[known]?.cancel();
          expected.delete(known);
        }
      }
      assert.equal(deadlines.size, expected.size);
      clock.advance(1000);
      const times = fired.map((name) => expected.get(name) ?? -1);
      assert.deepEqual(
        times,
        [...expected.values()].sort((a, b) => a - b),
      );
    }),
  );
});
