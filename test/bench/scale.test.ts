import assert from "node:assert/strict";
import { test } from "node:test";
import { makeScalingBlock } from "../../bench/rig/cluster-table.ts";
import type { Result } from "../../bench/rig/results.ts";
import {
  type Costs,
  DEFAULT_COSTS,
  nodesOfRoom,
  readCosts,
  simulate,
  subscriptionBytes,
  tableOf,
} from "../../bench/scenarios/scale.ts";
import { runBench } from "./run-bench.ts";

/** Nothing costs anything but what a case says. */
const FREE: Costs = {
  ...{ publishCallUs: 0, publishUs: 1e-9, deliverUs: 0, hearUs: 0, copyUs: 0 },
  ...{ redisCallUs: 0, redisAppendUs: 0, redisPushUs: 1e-9, pushBytes: 1e-9, nameBytes: 0 },
  channelBytes: 0,
};

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual / expected - 1) < 1e-6, `${actual} is not ${expected}`);
}

test("a room's members are on as many nodes as chance puts them", () => {
  near(nodesOfRoom(1, 200), 1);
  // Two members are on one of two nodes half the time: 1.5 on average. Three of them: 1.75.
  near(nodesOfRoom(2, 2), 1.5);
  near(nodesOfRoom(3, 2), 1.75);
  near(nodesOfRoom(10_000, 8), 8);
  near(nodesOfRoom(50, 1), 1);
});

test("nodes with enough to do are the limit, and twice as many carry twice as much", () => {
  // One node of 700,000 µs a second: 10 to publish and 50 times 3 to deliver is 160 each.
  const costs = { ...FREE, publishUs: 10, deliverUs: 3 };
  const one = simulate(costs, { nodes: 1, size: 50, rooms: 1 });
  near(one.broadcastsPerS, 4_375);
  near(one.deliveriesPerS, 218_750);
  assert.equal(one.limit, "CPU of the nodes");
  near(simulate(costs, { nodes: 2, size: 50, rooms: 1 }).broadcastsPerS, 8_750);
  // Half of the rooms of two are on both nodes; there the other one hears each, for 30.
  const heard = { ...FREE, publishUs: 10, hearUs: 30 };
  near(simulate(heard, { nodes: 2, size: 2, rooms: 1 }).broadcastsPerS, 1_400_000 / (10 + 15));
});

test("calls of Redis are shared once every turn of every node has one", () => {
  // Two nodes have 2,000 turns a second. At 1,000 µs a call, 700 calls are all that fit.
  const slow = { ...FREE, redisCallUs: 1_000 };
  const few = simulate(slow, { nodes: 2, size: 1, rooms: 1 });
  near(few.broadcastsPerS, 700);
  assert.equal(few.limit, "Redis: calls and appends");
  // At 100 µs those 2,000 take 200,000 µs; the other 500,000 are 50,000 appends of 10.
  const fast = { ...FREE, redisCallUs: 100, redisAppendUs: 10 };
  near(simulate(fast, { nodes: 2, size: 1, rooms: 1 }).broadcastsPerS, 50_000);
});

test("a union is pushed for each of its rooms, and nodes of several of them hear copies", () => {
  // Ten rooms of a hundred on four nodes: each node has members of each, so hears ten copies.
  const one = simulate({ ...FREE, redisPushUs: 5 }, { nodes: 4, size: 100, rooms: 10 });
  near(one.pushes, 40);
  near(one.hearing, 4);
  near(one.broadcastsPerS, 3_500);
  assert.equal(one.limit, "Redis: pushes");
  // 36 copies of 10 µs on four nodes with 2,800,000 µs.
  const copies = simulate({ ...FREE, copyUs: 10 }, { nodes: 4, size: 100, rooms: 10 });
  near(copies.broadcastsPerS, 2_800_000 / 360);
});

test("networks are a limit: Redis' by pushes, the nodes' by deliveries", () => {
  // 875 MB a second; 8 pushes of 1,000 bytes and nine names of 125.
  const wide = { ...FREE, pushBytes: 875, nameBytes: 125 };
  const one = simulate(wide, { nodes: 8, size: 1_000_000, rooms: 1 });
  assert.equal(one.limit, "network of the nodes");
  near(one.broadcastsPerS, (8 * 875e6) / (1_000_000 * 250));
  const union = simulate(wide, { nodes: 1, size: 1, rooms: 10 });
  assert.equal(union.limit, "network of Redis");
  near(union.broadcastsPerS, 875e6 / (10 * (875 + 9 * 125)));
});

test("Redis keeps a channel for each socket, and one for each node of a room", () => {
  // 100,000 sockets on two nodes, 50,000 rooms of two that are on 1.5 nodes each: 175,000.
  near(subscriptionBytes({ ...FREE, channelBytes: 200 }, { nodes: 2, size: 2 }), 35_000_000);
});

test("costs are taken out of the rows of a result, and what it lacks is assumed", () => {
  const round = (row: string, subject: string, values: object, params: object = {}) => ({
    ...{ subject, values, params: { row, ...params }, pair: 0, valid: true },
  });
  // Publishing is 30 a call, 10 each and 2 for the one delivery; Redis 20 a call, 4 and a push of 3.
  const ofPublisher = "publisher_cpu_us_per_broadcast";
  const redis = "redis_cpu_us_per_broadcast";
  const bytes = "redis_bytes_per_broadcast";
  const far = "far_cpu_us_per_broadcast";
  const rounds = [
    round("publish", "ours", { [ofPublisher]: 42, [redis]: 27, [bytes]: 360 }, { frames: 1 }),
    round("publish", "ours", { [ofPublisher]: 13.5, [redis]: 8, [bytes]: 300 }, { frames: 20 }),
    // 40 for a call and the broadcast, and 50 deliveries of 2.
    round("nodes", "1 node", { cpu_us_per_delivery: 140 / 50 }),
    // Hearing is 15, and nine copies 5 each; their pushes name ten rooms of 10 bytes.
    round("union", "one room", { [far]: 35, [redis]: 27, [bytes]: 350 }),
    round("union", "union", { [far]: 80, [redis]: 54, [bytes]: 350 + 9 * 390 }),
  ];
  const { costs, assumed } = readCosts({ rounds } as unknown as Result);
  assert.deepEqual(assumed, ["channelBytes"]);
  const expected: Costs = {
    ...{ publishCallUs: 30, publishUs: 10, deliverUs: 2, hearUs: 15, copyUs: 5 },
    ...{ redisCallUs: 20, redisAppendUs: 4, redisPushUs: 3, pushBytes: 300, nameBytes: 10 },
    channelBytes: DEFAULT_COSTS.channelBytes,
  };
  for (const name of Object.keys(expected) as (keyof Costs)[]) near(costs[name], expected[name]);
  assert.deepEqual(readCosts(undefined).costs, DEFAULT_COSTS);
  assert.equal(tableOf(costs).length, 13);
});

test("docs/scaling.md gets figures in words, with date, commit and ratios", () => {
  const params = { row: "nodes", room: 50, rate: 200 };
  const one = { params, metric: "cpu_us_per_delivery", unit: "µs", low: 1, high: 4, rounds: 10 };
  const estimate = {
    ...{ params, metric: one.metric, subject: "1 node", against: "8 nodes", ratio_median: 0.97 },
    ...{ ci95_low: 0.95, ci95_high: 0.99, method: "BCa", resamples: 1, n_pairs: 10 },
  };
  const result = {
    ...{ started_at: "2026-01-02T03:04:05.678Z", git: { commit: "0123456789", dirty: false } },
    ...{ env: { cpu_model: "A CPU", cores: 2, node: "20.0.0" }, valid: true },
    scenario: { name: "cluster", baseline: "ours" },
    rounds: [{ subject: "1 node", params, values: {}, pair: 0, valid: true }],
    summaries: [
      { ...one, subject: "8 nodes", median: 3.1, valid: true },
      { ...one, subject: "1 node", median: 3, valid: true },
    ],
    estimates: [{ ...estimate, verdict: "same" }],
  } as unknown as Result;
  const charts = [{ name: "nodes", title: "Nodes", svg: "" }];
  const block = makeScalingBlock({ result, file: "f.json", charts }, "../bench/results");
  assert.match(block, /\[2026-01-02\]\(\.\.\/bench\/results\/f\.json\) at commit `0123456`/);
  const row = "| 1 node 3 µs, 8 nodes 3.1 µs | 1 node ÷ 8 nodes 0.97 (0.95–0.99) |";
  assert.ok(block.includes(row), block);
  // 20 a call, 5 each and 2 a push are 27 µs; shared by twenty, 8.
  assert.ok(block.includes("about 37,000 broadcasts a second"), block);
  assert.ok(block.includes("and 130,000 if twenty share a call"), block);
  assert.match(
    block,
    /!\[Nodes\]\(\.\.\/bench\/results\/20260102T030405Z-0123456-cluster-nodes\.svg/,
  );
  assert.match(makeScalingBlock(undefined, "."), /No results yet/);
});

test("npm run bench -- scale says what it rests on, without a result too", async () => {
  const { code, output } = await runBench("scale", "--results", "/nowhere");
  assert.equal(code, 0, output);
  assert.match(output, /no result of cluster in \/nowhere/);
  assert.match(output, /each push to a node, µs +2 .assumed/);
  assert.match(output, /10 rooms of 10,000/);
});
