/** What queues may hold, and who waits for room in them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";
import type { Lane } from "../../src/upstream/call.ts";
import { createLimits } from "../../src/upstream/limits.ts";

const BYTES = 100;

/** Lanes of sockets that are held back while they are full, as forwarding does it. */
function start(given: { queueMax: number; socketQueueMax: number; queueBytesMax?: number }) {
  const { upstream } = readSettings({ upstream: { full: "pause", ...given } });
  const queued = { events: 0, bytes: 0, pausedBytes: 0 };
  const limits = createLimits(upstream, queued);
  const paused = new Set<Lane>();
  const lanes = Array.from({ length: 20 }, (_, at) => ({ key: `/,${at}`, calls: [] as unknown[] }));

  /** A client emits, unless it is held back. */
  function emit(lane: Lane): void {
    if (paused.has(lane)) return;
    assert.equal(limits.check("event", lane, BYTES), undefined);
    (lane.calls as unknown[]).push({});
    queued.events++;
    queued.bytes += BYTES;
    if (!limits.isFull(lane)) return;
    paused.add(lane);
    limits.whenRoom(lane, () => {
      const waits = lane.calls.filter(({ isOver }) => !isOver).length;
      assert.ok(waits <= upstream.socketQueueMax / 2, "half of the lane is free");
      assert.ok(paused.delete(lane), "once");
    });
  }

  function settle(lane: Lane): void {
    if (!lane.calls.shift()) return;
    queued.events--;
    queued.bytes -= BYTES;
    const [, socketId = ""] = lane.key.split(",");
    limits.freed({ namespace: "/", socketId } as Parameters<typeof limits.freed>[0]);
  }
  return { lanes: lanes as unknown as Lane[], limits, queued, paused, emit, settle };
}

/** Numbers below `max`, the same for a seed. */
function random(seed: number): (max: number) => number {
  let state = seed * 2_654_435_761;
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * max);
  };
}

test("whoever is held back goes on, in whatever order calls end", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const pick = random(seed);
    const { lanes, queued, paused, emit, settle } = start({
      queueMax: 1 + pick(60),
      socketQueueMax: 1 + pick(8),
      queueBytesMax: 65_536,
    });
    const one = () => lanes[pick(lanes.length)] as Lane;
    for (let step = 0; step < 2000; step++) {
      if (pick(3) > 0) emit(one());
      else settle(one());
    }
    for (const lane of lanes) while (lane.calls.length > 0) settle(lane);
    assert.deepEqual([paused.size, queued.events], [0, 0], `seed ${seed}`);
  }
});

test("the whole queue lets everyone go on once half of it is free, and not before", () => {
  const { lanes, paused, emit, settle } = start({ queueMax: 10, socketQueueMax: 100 });
  for (const lane of lanes) emit(lane);
  assert.equal(paused.size, 11, "the tenth, and all that were read since");
  for (const lane of lanes.slice(0, 14)) settle(lane);
  assert.equal(paused.size, 11);
  settle(lanes[14] as Lane);
  assert.equal(paused.size, 0);
});

test("calls that are over already, and have not left their lane yet, are no reason to wait", () => {
  const { lanes, paused, limits, emit } = start({ queueMax: 100, socketQueueMax: 2 });
  const [lane] = lanes as [Lane];
  for (const _ of [1, 2]) emit(lane);
  assert.equal(paused.size, 1);
  // As those that Redis did not take in time.
  for (const call of lane.calls) call.isOver = true;
  limits.freed({ namespace: "/", socketId: "0" } as Parameters<typeof limits.freed>[0]);
  assert.equal(paused.size, 0);
});

test("a socket that leaves is not waited for, and what it took over the limits counts no more", () => {
  const { lanes, limits, queued } = start({
    queueMax: 1000,
    socketQueueMax: 1,
    queueBytesMax: 65_536,
  });
  const [one, other] = lanes as [Lane, Lane];
  const never = () => assert.fail("it has left");
  limits.whenRoom(one, never);
  assert.equal(limits.check("event", one, 60_000), undefined);
  limits.whenRoom(other, () => {});
  assert.equal(limits.check("event", other, 60_000), "UPSTREAM_SATURATED", "of all together");
  limits.forget(one);
  assert.equal(limits.check("event", other, 60_000), undefined);
  assert.equal(queued.pausedBytes, 60_000);
  limits.freed({ namespace: "/", socketId: "0" } as Parameters<typeof limits.freed>[0]);
});
