/** Heartbeats: what moves the place of a node that hears nothing, and what that costs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Place } from "../../src/cluster/log/carrier.ts";
import { compareIds, type EventLog } from "../../src/cluster/log/event-log.ts";
import { createHeartbeat } from "../../src/cluster/log/heartbeat.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { fed, openNode, redisBus, say } from "./log-kit.ts";
import { createServer } from "./log-server.ts";

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

test("who waits for a place behind what is being read need not wait for the next heartbeat", async (t) => {
  // Seen: sessions came back up to ten seconds late to a node that heard nothing else.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = createServer();
  const [side, other] = [server.join("a", false), server.join("b", false)];
  const turns = async () => {
    for (let n = 0; n < 3; n++) await new Promise(setImmediate);
  };
  const play = async () => {
    const isDone = (each: typeof side) =>
      !(["ask", "answer", "subscribe", "push"] as const).map(each.step).includes(true);
    for (let idle = 0; idle < 3; ) {
      idle = [side, other].map(isDone).includes(false) ? 0 : idle + 1;
      await turns();
    }
  };
  const [node, far] = [openNode(t, fed(side.carrier)), openNode(t, fed(other.carrier))];
  await play();
  void node.log.subscribe([":red"]);
  await turns();
  side.step("subscribe");
  side.step("push");
  await turns();
  assert.ok(side.step("ask"), "it has been read up to here");
  void say(far, [":blue"], "for others");
  await turns();
  other.step("ask");
  const last = server.entries.at(-1)?.id ?? "";
  let isReached = false;
  void node.log.reached(last).then(() => {
    isReached = true;
  });
  await play();
  assert.ok(isReached);
});
