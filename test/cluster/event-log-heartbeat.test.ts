/** Heartbeats: what moves the place of a node that hears nothing, and what that costs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareIds, type EventLog } from "../../src/cluster/event-log.ts";
import type { Place } from "../../src/cluster/event-log-carrier.ts";
import { createHeartbeat } from "../../src/cluster/event-log-heartbeat.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openNode, redisBus } from "./event-log-kit.ts";

const LOGS = 50;

test("all logs of a node ask for their ends in one call", async (t) => {
  // Seen: 500 namespaces in which nothing happened cost a node 2 % of a core, with a call each.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [idle, busy] = [(await redisBus(t, redis.url)).bus, (await redisBus(t, redis.url)).bus];
  const names = Array.from({ length: LOGS }, (_, n) => `/${n}`);
  const open = (bus: typeof idle) => names.map((name) => openNode(t, bus, name).log);
  const [logs, others] = [open(idle), open(busy)];
  const all = [...logs, ...others];
  await Promise.all(all.map((log) => log.subscribe([":red"])));
  const ids = await Promise.all(
    others.map((log) => log.append([":blue"], Buffer.from("for nobody"), "")),
  );
  const calls = async () => {
    const stats = await redis.command("INFO", "commandstats");
    return Number(stats.match(/cmdstat_evalsha:calls=(\d+)/)?.[1] ?? 0);
  };
  const before = await calls();
  const isThere = (log: EventLog<string>, at: number) =>
    compareIds(log.place(), ids[at] ?? "") >= 0;
  await until(() => logs.every(isThere), "that all know where their logs end");
  const made = (await calls()) - before;
  assert.ok(made <= 20, `${made} calls`);
});

test("a log is asked for its end ever less often when nothing comes, and when always something does", async () => {
  // Seen: one that was only appended to was never read, and Redis gave it up after a day.
  let arrived: Place = { id: "1-0", mark: "", count: 1 };
  let isBusy = false;
  const asked: number[] = [];
  let tick = () => {};
  createHeartbeat({
    carrier: { isHere: () => true },
    log: {
      read: async () => {
        asked.push(ticks);
        return { entries: [], end: arrived, more: false, lost: false };
      },
    },
    order: {
      arrived: () => arrived,
      losses: () => 0,
      isAwaited: () => false,
      read() {},
      hand() {},
    },
    reader: { lose() {} },
    readings: { bound: () => undefined },
    ticks: {
      add(given) {
        tick = given;
      },
      remove() {},
    },
  });
  let ticks = 0;
  const pass = async (count: number) => {
    for (const end = ticks + count; ticks < end; ) {
      ticks++;
      if (isBusy) arrived = { ...arrived, id: `${ticks}-1` };
      tick();
      await new Promise(setImmediate);
    }
    return asked.splice(0);
  };
  assert.deepEqual(await pass(45), [1, 3, 7, 15, 25, 35, 45]);
  isBusy = true;
  assert.deepEqual(await pass(1_200), [645, 1_245]);
  isBusy = false;
  assert.deepEqual(await pass(10), [1_247, 1_251]);
});
