import assert from "node:assert/strict";
import { test } from "node:test";
import { createEvents } from "../../bench/generator/events.ts";
import { readInTurns } from "../../bench/generator/turns.ts";
import { readArgs } from "../../bench/rig/args.ts";
import { interleave } from "../../bench/rig/context.ts";
import { isExcused, isValid, judgeVoids, makeFlag } from "../../bench/rig/flags.ts";
import { lookBack } from "../../bench/rig/lag.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../../bench/rig/rounds.ts";
import type { Context, Round } from "../../bench/rig/scenario.ts";
import { groupsOf, kindOf, readShape } from "../../bench/rig/shapes.ts";
import { createRandom } from "../../bench/rig/stats.ts";
import { createBodies } from "../../bench/wire/marker.ts";
import { eventFrame } from "../../bench/wire/packets.ts";
import { until } from "../harness/wait.ts";

/** As much of a context as measuring in turns needs. */
function createRecorder() {
  const rounds: Round[] = [];
  const recorder = { isLate: false };
  const random = createRandom(1);
  const { signal } = new AbortController();
  const context = {
    interleave: (names: string[], blocks: number) => interleave(names, blocks, random, signal),
    record: (round: Round) => void rounds.push(round),
    say() {},
    isLate: () => recorder.isLate,
  };
  return { rounds, recorder, context: context as unknown as Context }; // what else it has is not asked for
}

const starved = makeFlag("error", "server_starved", "");
const makeRound = (subject: string, pair: number, isVoid: boolean): Round => {
  return { subject, pair, params: {}, values: { cost: 1 }, flags: isVoid ? [starved] : [] };
};

test("a pair that the machine voided is made up for by another block, and by no more", async () => {
  const plan = { what: "x", subjects: ["a", "b"], blocks: 5 };
  const { rounds, context } = createRecorder();
  const voided = new Set([3]);
  await measurePairs(context, plan, async ({ subject, pair }) =>
    makeRound(subject, pair, subject === "a" && voided.has(pair)),
  );
  assert.equal(rounds.length, 6 * 4);
  assert.deepEqual([...new Set(rounds.map(({ pair }) => pair))], [...Array(12).keys()]);
});

test("who is late measures the block under way, and at least one", async () => {
  const plan = { what: "x", subjects: ["a", "b"], blocks: 5 };
  const { rounds, recorder, context } = createRecorder();
  await measurePairs(context, plan, async ({ subject, pair }) => {
    recorder.isLate = pair >= 2;
    return makeRound(subject, pair, false);
  });
  assert.equal(rounds.length, 2 * 4);
  await measurePairs(context, plan, async ({ subject, pair }) => makeRound(subject, pair, false));
  assert.equal(rounds.length, 3 * 4);
});

test("on a machine that voids most pairs nothing is repeated", async () => {
  const plan = { what: "x", subjects: ["a", "b"], blocks: 5 };
  const { rounds, context } = createRecorder();
  await measurePairs(context, plan, async ({ subject, pair }) =>
    makeRound(subject, pair, pair % 3 > 0),
  );
  assert.equal(rounds.length, 5 * 4);
});

test("lanes are opened once each and measured when it is their subject's turn", async () => {
  const { rounds, context } = createRecorder();
  const plan = { what: "x", subjects: ["a", "b"], blocks: 1 };
  const opened: string[] = [];
  const lanes = await openLanes(context, plan, async (subject) => {
    opened.push(subject);
    return { own: subject };
  });
  const measure = inLanes(lanes, async ({ own }, { pair }) => makeRound(own, pair, false));
  await measurePairs(context, plan, measure);
  assert.deepEqual(opened, ["a", "b"]);
  assert.deepEqual(rounds.map(({ subject }) => subject).sort(), ["a", "a", "b", "b"]);
});

test("a warm-up ends when three windows in a row cost the same", async () => {
  const costs = [9, 5, 3, 2, 2, 2, 1];
  let windows = 0;
  await warmUp(60_000, async () => ({
    ...makeRound("a", 0, false),
    values: { cost: costs[windows++] ?? 0 },
  }));
  assert.equal(windows, 6);
});

test("a quarter of void rounds is excused by the machine, a wrong message never", () => {
  const rounds = (voids: number) =>
    Array.from({ length: 8 }, (_, pair) => makeRound("a", pair, pair < voids));
  assert.deepEqual(judgeVoids(rounds(2)), []);
  assert.deepEqual(
    judgeVoids(rounds(3)).map((flag) => flag.code),
    ["many_voids"],
  );
  assert.equal(isValid([starved]), false);
  assert.equal(isExcused([starved]), true);
  assert.equal(isExcused([starved, makeFlag("error", "lost", "1 of 9")]), false);
});

test("a loop that stood still is counted for every look it missed", () => {
  assert.deepEqual(lookBack(0.5, 1), [0.5]);
  assert.deepEqual(lookBack(-0.2, 1), [0]);
  assert.deepEqual(lookBack(4, 1), [4, 3, 2, 1]);
});

test("events counted up in place are those that an encoder writes", () => {
  for (const codec of ["json", "msgpack"] as const) {
    const events = createEvents({ codec }, 64);
    const body = createBodies(64);
    const sent = Buffer.concat([events(9, 5), events(3, 123_456)]);
    const built = Array.from({ length: 12 }, (_, n) =>
      eventFrame(codec, "/", ["e", body(n, n < 9 ? 5 : 123_456)], 100_000_000 + n),
    );
    assert.deepEqual(sent, Buffer.concat(built));
  }
});

test("clients that are read in turns are all read, again and again", async () => {
  const seen = [0, 0, 0, 0, 0];
  const open = [true, true, true, true, true];
  const clients = seen.map((_, i) => ({
    read(on: boolean) {
      open[i] = on;
      if (on) seen[i] = (seen[i] ?? 0) + 1;
    },
  }));
  const turns = readInTurns(clients, 3);
  assert.deepEqual(open, [false, false, false, false, false]);
  await until(() => seen.every((count) => count > 1), "two turns each");
  assert.ok(open.filter((on) => on).length <= 2);
  turns.stop();
  assert.deepEqual(open, [true, true, true, true, true]);
});

test("a union has half its recipients in both rooms, and an exception its number", () => {
  const count = (word: string, members: number, query: string) =>
    groupsOf(readShape(word), members).find((group) => group.query === query)?.count;
  assert.deepEqual(
    ["rooms=a.b", "rooms=a", "rooms=b"].map((query) => count("union", 1000, query)),
    [500, 250, 250],
  );
  assert.deepEqual([count("except-3", 10, "rooms=r"), count("except-3", 10, "rooms=r.x")], [10, 3]);
  assert.deepEqual(
    [kindOf(readShape("union-first")), kindOf(readShape("except-10"))],
    ["union", "except"],
  );
  for (const word of ["except", "except-0", "except-1001", "all"])
    assert.throws(() => readShape(word), /--shapes/);
});

test("scenarios know whether they were asked for by name", () => {
  assert.equal(readArgs(["--quick"]).isNamed, false);
  assert.equal(readArgs(["storm"]).isNamed, true);
});
