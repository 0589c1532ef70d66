/**
 * What was accepted reaches its function, whatever dies in between: each event once or more, with one
 * id, in the order of its socket, and before the disconnect. `FULL=true` plays it at length.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasTool } from "../harness/tool.ts";
import { FULL, play } from "./durable-kit.ts";

const AOF = ["--appendonly", "yes", "--appendfsync", "always"];

test("SIGTERM while the function fails: the next start goes on with everything", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, processes, ...on } = await play(t, { processes: 1 });
  await on.emit(0.2);
  fn.mode = "fail";
  await on.emit(1);
  await on.written();
  const [node] = processes;
  node?.run.child.kill("SIGTERM");
  assert.equal(await node?.run.exit(), 0);
  assert.equal(fn.disconnected(), 0, "its clients' disconnects wait behind their events");
  fn.mode = "ok";
  await on.start();
  await on.over();
  // What was under way: upstream.inflightMax at most.
  assert.ok(fn.repeated() <= 128, `${fn.repeated()} came again`);
});

test("SIGKILL of one of two: the other goes on, and each disconnect comes after its events", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, processes, ...on } = await play(t, { processes: 1, others: 1 });
  await on.emit(0.3);
  fn.mode = "hold";
  await on.emit(0.8);
  await on.written();
  processes[0]?.run.child.kill("SIGKILL");
  await on.left();
  fn.mode = "ok";
  await on.emit(1);
  await on.over();
});

test("SIGKILL of all, and of Redis: everything goes on at the next start, from its log", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, processes, redis, ...on } = await play(t, { processes: 2, redisOptions: AOF });
  await on.emit(0.3);
  fn.mode = "hold";
  await on.emit(1);
  await on.written();
  for (const { run } of processes) run.child.kill("SIGKILL");
  await Promise.all(processes.map(({ run }) => run.exit()));
  await redis.kill();
  await redis.start();
  fn.mode = "ok";
  await on.start();
  await on.over();
});

test("one adopter dies after the other, in batches: the last goes on with what is left of all", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, processes, ...on } = await play(t, { processes: 1, batch: true });
  await on.emit(0.3);
  fn.mode = "fail";
  await on.emit(1);
  await on.written();
  const second = await on.startProcess();
  processes[0]?.run.child.kill("SIGKILL");
  await on.taken(1);
  await on.start();
  second.run.child.kill("SIGKILL");
  await on.taken(2);
  fn.mode = "ok";
  await on.over();
});

test("a node that is frozen and thaws: its calls are another's, in order, and it tells of none", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, processes, ...on } = await play(t, { processes: 1, others: 1 });
  await on.emit(0.3);
  fn.mode = "hold";
  await on.emit(0.6);
  await on.written();
  const child = processes[0]?.run.child;
  child?.kill("SIGSTOP");
  t.after(() => child?.kill("SIGCONT"));
  fn.mode = "ok";
  await on.taken(1);
  child?.kill("SIGCONT");
  await on.left();
  await on.emit(1);
  await on.over();
});

test("Redis is started again from its log while events come: none is missing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, ...on } = await play(t, { others: 2, redisOptions: AOF });
  await on.emit(0.3);
  const emitting = on.emit(1);
  await redis.kill();
  await redis.start();
  await emitting;
  await on.over();
});

test("a function that is down, and flaps while it is deployed, misses nothing and buries nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { fn, ...on } = await play(t, { others: 2 });
  await on.emit(0.2);
  await fn.down();
  await on.emit(0.6);
  await new Promise((resolve) => setTimeout(resolve, FULL ? 60_000 : 500));
  await fn.up();
  const emitting = on.emit(1);
  for (const mode of ["fail", "ok", "cut", "ok", "fail", "cut"] as const) {
    fn.mode = mode;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  fn.mode = "ok";
  await emitting;
  await on.over();
});
