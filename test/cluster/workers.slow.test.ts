import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient, sumMetric } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { arrivals } from "../harness/nodes.ts";
import { startProcess, type TestProcess, testFolder } from "../harness/process.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { listening, ON_PORT, WEBSOCKET, WORKERS } from "../harness/workers.ts";

/** The first of the workers; the compiler that tsx may start is a child as well. */
function victimOf(run: TestProcess): number {
  return workersOf(run)[0] ?? 0;
}

function workersOf(run: TestProcess): number[] {
  const words = ["-P", String(run.child.pid), "-f", "/main[.][tj]s"];
  const pids = execFileSync("pgrep", words, { encoding: "utf8" });
  return pids.trim().split("\n").map(Number);
}

/** Starts two workers and connects 20 clients to their port. */
async function startWithClients(t: TestContext, flags: readonly string[]) {
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...flags]);
  await listening(run, 2);
  const url = `http://127.0.0.1:${port}`;
  const clients = Array.from({ length: 20 }, () => newClient(url));
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect")));
  return { run, url, clients };
}

test("workers share the port, a broadcast reaches all, and metrics are of all", async (t) => {
  const { run, url, clients } = await startWithClients(t, WEBSOCKET);
  await Promise.all(clients.map((client) => client.emitWithAck("join", "lobby")));
  const heard: string[] = [];
  for (const client of clients) client.on("message", ({ text }) => heard.push(text));
  await clients[0]?.emitWithAck("message", "lobby", "hello");
  await until(() => heard.length >= 19, "the others");
  assert.equal(heard.length, 19);
  const scraped = await (await fetch(`${url}/metrics`)).text();
  assert.equal(sumMetric(scraped, "sluice_connections"), 20);
  assert.equal(sumMetric(scraped, "sluice_build_info"), 1);

  const gone = Promise.all(clients.map((client) => next<[string]>(client, "disconnect")));
  run.child.kill("SIGTERM");
  for (const [reason] of await gone) assert.equal(reason, "transport close");
  assert.equal(await run.exit(), 0);
  const said = run.output().match(/(?<="msg":")(stopping \d+ workers, \d+|stopping|stopped)/g);
  const one = ["stopping", "stopped"];
  assert.deepEqual(said, ["stopping 2 workers, 20", ...one, ...one], "one by one");
});

test("from the signal on no worker says that it is ready, whosever turn it is to stop", async (t) => {
  // Seen: 200 until the last worker's turn, and new clients sent to a node that was going. Each knew of
  // its own stop alone.
  const slow = ["--socket.transports", "websocket", "--socket.drainMs", "6000"];
  const { run, url } = await startWithClients(t, slow);
  run.child.kill("SIGTERM");
  await until(() => run.output().includes('"stopping, '), "the first worker's turn");
  // Over a connection of its own, which the worker gets that still listens.
  const isDraining = async () => {
    // The first worker's queue is reset when it ends listening: seen, on a busy machine.
    const answer = await ask(`${url}/readyz`).catch((error) => {
      assert.equal(error.code, "ECONNRESET");
    });
    return answer?.status === 503 && answer.body === "draining\n";
  };
  await until(isDraining, "the other worker is not ready either");
  assert.equal(run.output().match(/"stopping, /g)?.length, 1);
});

test("a stop during the start ends workers that wait, with exit 0", async (t) => {
  // Seen: it never ended. A worker forgot the word of its primary until it listened.
  const module = join(testFolder(t), "waits.mjs");
  writeFileSync(
    module,
    `console.log(JSON.stringify({ waiting: true }));
    await new Promise((go) => setTimeout(go, 600_000));
    export default () => {};`,
  );
  const args = ["--handlers.module", module];
  const run = startProcess(t, [...ON_PORT, "0", ...WORKERS, ...WEBSOCKET, ...args]);
  await until(() => run.output().match(/waiting/g)?.length === 2, "both workers", 30_000);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("SIGHUP has every worker read its certificate again, and ends none", async (t) => {
  // Seen: it ended all of them at once, without a drain. Only processes without workers heard it.
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET]);
  await listening(run, 2);
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  run.child.kill("SIGHUP");
  const said = () => run.output().match(/there is no certificate to reload/g)?.length ?? 0;
  await until(() => said() === 2, "both workers");
  assert.equal((await client.emitWithAck("join", "lobby")) !== undefined, true);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("a worker that is killed is replaced, later each time, and the others go on", async (t) => {
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET]);
  await listening(run, 2);
  const first = workersOf(run);
  process.kill(victimOf(run), "SIGKILL");
  await listening(run, 3);
  // The one that has just started: on a busy machine the other may have lived for a minute, after
  // which a crash counts as the first.
  const second = workersOf(run).find((pid) => !first.includes(pid));
  process.kill(second ?? 0, "SIGKILL");
  await listening(run, 4);
  const pauses = [...run.output().matchAll(/"afterMs":(\d+).*will be replaced/g)];
  assert.deepEqual(
    pauses.map(([, afterMs]) => Number(afterMs)),
    [500, 1000],
  );
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
});

test("clients of a killed worker go on at another, recovered, when there is Redis", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET], {
    SLUICE_CLUSTER_REDIS_URL: redis.url,
    SLUICE_RECOVERY_WINDOW_MS: "60000",
    SLUICE_HANDLERS_MODULE: "test/harness/obedient.ts",
  });
  await listening(run, 2);
  const { clients, received } = await arrivals(t, `http://127.0.0.1:${port}`, 20);
  await Promise.all(clients.map((client) => client.emitWithAck("join", "red")));
  clients[0]?.emit("count", "n", 5);
  await until(() => received.every((numbers) => numbers.length > 5), "the stream");
  let dropped = 0;
  for (const client of clients) client.on("disconnect", () => dropped++);
  // The one that counts goes on counting, if it is the other: then its clients are not dropped.
  process.kill(victimOf(run), "SIGKILL");
  await until(() => dropped > 0 && clients.every((client) => client.connected), "their return");
  const rooms = await Promise.all(clients.map((client) => client.emitWithAck("tell")));
  assert.ok(rooms.every((told) => told.rooms.includes("red")));
  for (const numbers of received) {
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => (numbers[0] ?? 0) + at),
    );
  }
});

test("a worker that cannot start again while Redis is away ends nobody else, and starts later", async (t) => {
  // Seen: one crash during an outage ended all workers, since the next could not start.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET], {
    SLUICE_CLUSTER_REDIS_URL: redis.url,
    SLUICE_CLUSTER_TIMEOUT_MS: "500",
  });
  await listening(run, 2);
  await redis.kill();
  process.kill(victimOf(run), "SIGKILL");
  const gone = () => run.output().match(/will be replaced/g)?.length ?? 0;
  await until(() => gone() >= 2, "that the next cannot start", 60_000);
  // A Redis that comes back empty closes it, and it returns.
  const back = { reconnection: true, reconnectionDelay: 20 };
  const client = newClient(`http://127.0.0.1:${port}`, back);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  await redis.start();
  await listening(run, 3);
  await until(() => client.connected, "its return");
});

test("workers that are told to stop while they start end at once", async (t) => {
  // Seen: the word was lost on workers that had no gateway to stop yet, and their primary waited for
  // them for good.
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET]);
  await run.said("started workers", 60_000);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("a worker whose loop is blocked is killed when its time to stop is over", async (t) => {
  // Seen: its primary waited for it for good, and what started them killed the primary alone.
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET], {
    SLUICE_HANDLERS_MODULE: "test/harness/obedient.ts",
  });
  await listening(run, 2);
  const { clients } = await arrivals(t, `http://127.0.0.1:${port}`, 1);
  clients[0]?.emit("block");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("long-polling with workers is refused at start, with the reason and what to do", async (t) => {
  const run = startProcess(t, [...ON_PORT, "0", ...WORKERS]);
  assert.equal(await run.exit(), 78);
  assert.match(run.output(), /socket\.transports .*must be websocket with cluster\.workers/);
  assert.match(run.output(), /sticky sessions/);
});

test("a setting that no worker could start with is told once, by the primary", async (t) => {
  const args = [...ON_PORT, "0", ...WORKERS, ...WEBSOCKET, "--handlers.module", "nowhere.ts"];
  const run = startProcess(t, args);
  assert.equal(await run.exit(), 78);
  assert.equal(run.output().match(/handlers\.module = "nowhere\.ts"/g)?.length, 1);
});

test("workers that cannot start end everything with their exit code, once", async (t) => {
  const module = ["--handlers.module", "src/core/closes.ts"];
  const run = startProcess(t, [...ON_PORT, "0", ...WORKERS, ...WEBSOCKET, ...module]);
  assert.equal(await run.exit(), 1);
  assert.match(run.output(), /must export a function/);
});

test("a socket whose data cannot be sent is listed by the other worker, with the reason", async (t) => {
  // Seen: what cannot be written in the data of one socket ended its worker when another one listed
  // the sockets: that threw where nobody looked.
  const module = join(testFolder(t), "odd.mjs");
  writeFileSync(
    module,
    `export default (io) => io.on("connection", (socket) => {
       socket.data = socket.handshake.query.odd ? { big: 1n } : { name: "fine" };
       socket.on("list", async (ack) => ack(process.pid, (await io.fetchSockets()).map(
         ({ data }) => typeof data.big === "bigint" ? "own" : data.$error ?? data.name)));
     });`,
  );
  const port = await findFreePort();
  const args = ["--handlers.module", module];
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET, ...args]);
  await listening(run, 2);
  const clients = Array.from({ length: 12 }, (_, n) =>
    newClient(`http://127.0.0.1:${port}`, n === 0 ? { query: { odd: "1" } } : {}),
  );
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect")));
  const workers = new Map<number, string[]>();
  for (const client of clients) {
    const listed = new Promise<[number, string[]]>((resolve) =>
      client.emit("list", (pid: number, names: string[]) => resolve([pid, names])),
    );
    workers.set(...(await listed));
  }
  assert.equal(workers.size, 2);
  for (const names of workers.values()) {
    assert.equal(names.filter((name) => name === "fine").length, 11);
  }
  const odd = [...workers.values()].map((names) => names.find((name) => name !== "fine")).sort();
  assert.match(String(odd[0]), /^cannot be sent: .*BigInt/);
  assert.equal(odd[1], "own");
});
