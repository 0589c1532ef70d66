/** Workers of one machine act as one, through their primary and without Redis. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { createGate, startFunction } from "../harness/function.ts";
import { sumMetric } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { startObedient, type WorkerClient } from "../harness/workers.ts";
import { JOIN_WAYS, KEYS, putIntoRoom, routesTo, SECRET } from "./join-ways.ts";

const RETURNING = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100 };

function note(client: Client, event = "n"): unknown[] {
  const heard: unknown[] = [];
  client.on(event, (what: unknown) => heard.push(what));
  return heard;
}

const join = (room: string) => (each: WorkerClient) => each.client.emitWithAck("join", room);

/** Closes a client's connection and connects it until it is at another worker. */
async function moveTo(each: WorkerClient, pid: number): Promise<void> {
  const { client } = each;
  for (;;) {
    client.io.engine.close();
    await next(client, "connect");
    if ((await client.emitWithAck("pid")) === pid) return;
  }
}

test("a worker without members of a room hears nothing of it", async (t) => {
  const { url, connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(2);
  const [[a], [b]] = [here, there] as [[WorkerClient], [WorkerClient]];
  await Promise.all(here.map(join("mine")));
  const metric = async (name: string, labels: Record<string, string> = {}) =>
    sumMetric(await (await fetch(`${url}/metrics`)).text(), name, labels);
  const count = (direction: string) => metric("sluice_cluster_messages_total", { direction });
  const [inBefore, outBefore] = [await count("in"), await count("out")];
  const heard = note(a.client);
  await a.client.emitWithAck("flood", "mine", 500);
  await until(() => heard.length === 500, "its own");
  // A word to and from the other worker has passed all the rest on its way.
  await b.client.emitWithAck("askWorkers");
  await until(async () => (await count("out")) >= outBefore + 500, "they are counted");
  const requests = 4; // to both, an answer, and what the next scrape may find under way
  assert.ok((await count("in")) <= inBefore + 500 + requests);
  // Seen: 0, with messages to others: the alert for a Redis that is away rang for workers without.
  assert.equal(await metric("sluice_cluster_redis_up"), 1);
});

test("clients of all workers hear one order, whoever publishes", async (t) => {
  const { connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(3);
  const all = [...here, ...there];
  await Promise.all(all.map(join("lobby")));
  const heard = all.map(({ client }) => note(client));
  const flood = ({ client }: WorkerClient) => client.emitWithAck("flood", "lobby", 300);
  await Promise.all([here[0], there[0]].map((each) => flood(each as WorkerClient)));
  await until(() => heard.every(({ length }) => length === 600), "all");
  for (const each of heard) assert.deepEqual(each, heard[0]);
});

test("sockets, server-side emits and acks of clients are those of all workers", async (t) => {
  const { connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(2);
  const all = [...here, ...there];
  const [a] = here as [WorkerClient];
  const ids = await a.client.emitWithAck("list");
  assert.deepEqual(new Set(ids), new Set(all.map(({ client }) => client.id)));
  const [why, pids] = await new Promise<[unknown, number[]]>((resolve) =>
    a.client.emit("askWorkers", (...answer: [unknown, number[]]) => resolve(answer)),
  );
  assert.ok(!why);
  assert.deepEqual(pids, [there[0]?.pid]);
  await Promise.all(all.map(join("lobby")));
  for (const { client, pid } of all) client.on("question", (answer) => answer(pid));
  const answers: number[] = await a.client.emitWithAck("survey", "lobby");
  assert.deepEqual(answers.sort(), all.map(({ pid }) => pid).sort());
});

test("no broadcast is missed that is made after the answer to a join, on whatever worker", async (t) => {
  const fn = await startFunction(t, putIntoRoom);
  const { url, connectToBoth } = await startObedient(t, {
    SLUICE_API_KEYS: KEYS.join(),
    SLUICE_UPSTREAM_SECRETS: SECRET,
    SLUICE_UPSTREAM_ROUTES: JSON.stringify(routesTo(fn.url)),
  });
  const { here, there } = await connectToBoth(1);
  const [[a], [b]] = [here, there] as [[WorkerClient], [WorkerClient]];
  const heard = note(a.client);
  let said = 0;
  for (let n = 0; n < 10; n++) {
    for (const [way, go] of Object.entries(JOIN_WAYS)) {
      await go(a.client, `${way} ${n}`, url);
      await b.client.emitWithAck("flood", `${way} ${n}`, 1);
      said++;
    }
  }
  await until(() => heard.length >= said, "all of it");
  assert.equal(heard.length, said);
});

test("a request does not wait for a worker that dies before it answers", async (t) => {
  const { connectToBoth } = await startObedient(t, {
    SLUICE_CLUSTER_REQUEST_TIMEOUT_MS: "60000",
  });
  const { here, there } = await connectToBoth(1);
  const [[a], [b]] = [here, there] as [[WorkerClient], [WorkerClient]];
  b.client.emit("block");
  const listed = a.client.emitWithAck("list");
  let isListed = false;
  void listed.then(() => {
    isListed = true;
  });
  // The request has reached the primary, and waits in the pipe of the one that is blocked.
  await a.client.emitWithAck("tell");
  assert.equal(isListed, false);
  process.kill(b.pid, "SIGKILL");
  assert.deepEqual(await listed, [a.client.id]);
});

test("a worker whose loop is blocked for a while holds nobody up, and misses nothing", async (t) => {
  const { connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(2);
  const [a, c] = here as [WorkerClient, WorkerClient];
  const [b] = there as [WorkerClient];
  await Promise.all([...here, ...there].map(join("lobby")));
  // The other worker alone has members of this room.
  await join("theirs")(b);
  const heard = [a, b].map(({ client }) => note(client));
  b.client.emit("blockFor", 3_000);
  await until(async () => {
    const before = performance.now();
    await c.client.emitWithAck("flood", "lobby", 100);
    await join("theirs")(c);
    return performance.now() - before < 2_000;
  }, "a join while the other worker is blocked");
  await until(() => (heard[0]?.length ?? 0) >= 100, "its own clients");
  await until(() => heard[1]?.length === heard[0]?.length, "those of the other");
  assert.deepEqual(heard[1], heard[0]);
  await c.client.emitWithAck("flood", "theirs", 10);
  await until(() => heard[1]?.length === (heard[0]?.length ?? 0) + 10, "the shared room");
});

test("a client that goes on at another worker is recovered, and misses and doubles nothing", async (t) => {
  const { connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(4, RETURNING);
  const [b] = there as [WorkerClient];
  await Promise.all(here.map(join("red")));
  await b.client.emitWithAck("join", "red");
  const heard = [...here, b].map(({ client }) => note(client));
  const flooding = Promise.all(
    [here[3], there[3]].map((each) => each?.client.emitWithAck("flood", "red", 2_000)),
  );
  const travellers = here.slice(0, 3);
  await Promise.all(travellers.map((each) => moveTo(each, b.pid)));
  await flooding;
  await until(() => heard.every(({ length }) => length >= 4_000), "all");
  for (const [at, each] of heard.entries()) assert.deepEqual(each, heard.at(-1), `client ${at}`);
  for (const { client } of travellers) assert.equal(client.recovered, true);
  const told = await Promise.all(travellers.map(({ client }) => client.emitWithAck("tell")));
  assert.ok(told.every(({ rooms }) => rooms.includes("red")));
});

test("kill -9 of a worker: its clients go on at the others, recovered, and miss and double nothing", async (t) => {
  const { run, connectToBoth } = await startObedient(t, {
    SLUICE_RECOVERY_CHECKPOINT_MS: "200",
  });
  const { here, there } = await connectToBoth(4, RETURNING);
  const [victim, witness] = [here[0], there[0]] as [WorkerClient, WorkerClient];
  const all = [...here, ...there];
  await Promise.all(all.map(join("red")));
  await Promise.all(here.map((each, at) => each.client.emitWithAck("set", { at })));
  // One that the victim alone has members of. With it the session is written, and so is the data.
  await Promise.all(here.map(join("own")));
  const heard = all.map(({ client }) => note(client));
  const flooded = witness.client.emitWithAck("flood", "red", 3_000);
  victim.client.emit("flood", "own", 100_000, () => {});
  victim.client.emit("flood", "red", 100_000, () => {});
  await until(() => (heard[0]?.length ?? 0) > 500, "that they are under way");
  process.kill(victim.pid, "SIGKILL");
  await Promise.all(here.map(({ client }) => next(client, "disconnect")));
  await until(() => all.every(({ client }) => client.connected), "their return");
  assert.ok(here.every(({ client }) => client.recovered));
  const told = await Promise.all(here.map(({ client }) => client.emitWithAck("tell")));
  assert.deepEqual(
    told.map(({ data }) => data.at),
    here.map((_, at) => at),
  );
  await flooded;
  await witness.client.emitWithAck("flood", "red", 1);
  const isEnd = (what: unknown) => what === `${witness.pid} 0`;
  await until(() => heard.every((each) => each.filter(isEnd).length === 2), "the end");
  for (const [at, each] of heard.entries()) {
    const like = at < here.length ? heard[0] : heard.at(-1);
    assert.deepEqual(each, like, `client ${at} hears what the others do`);
    assert.equal(each.filter((what) => String(what).startsWith(`${witness.pid} `)).length, 3_001);
  }
  assert.doesNotMatch(run.output(), /has missed messages/);
});

test("the calls of a socket are made in order at whatever worker, with what a function keeps, and rooms are counted over all", async (t) => {
  const gates = [createGate(), createGate()];
  const fn = await startFunction(t, async ({ json: { event, args, socket, rooms } }) => {
    if (event === "state:slow") await gates[args[0]]?.passed;
    const data = { "state:enter": { seat: 1 }, "state:slow": { score: args[0] + 5 } }[
      String(event)
    ];
    return { body: { ack: [[socket.data, rooms]], data, rooms: ["lobby"] } };
  });
  const route = { event: "state:*", url: fn.url, presence: true };
  const { connectToBoth } = await startObedient(t, {
    SLUICE_UPSTREAM_SECRETS: SECRET,
    SLUICE_UPSTREAM_ROUTES: JSON.stringify([route]),
    SLUICE_UPSTREAM_PRESENCE_MS: "10",
  });
  const { here, there } = await connectToBoth(1, RETURNING);
  const [[a], [b]] = [here, there] as [[WorkerClient], [WorkerClient]];
  const { pid } = a;
  for (const { client } of [a, b]) await client.emitWithAck("state:enter", 0);
  const look = ({ client }: WorkerClient) => client.emitWithAck("state:look");
  await until(async () => (await look(a))[1].lobby === 2, "two");
  // Seen: the other worker called for the socket at once. What that was answered was newer, so the
  // data in the answer to the slow call were left out.
  const waits = async (n: number) => {
    const looked = look(a);
    for (let times = 0; times < 5; times++) await look(b);
    gates[n]?.open();
    return looked;
  };
  const isUnderWay = () => fn.received.at(-1)?.json.event === "state:slow";
  a.client.emit("state:slow", 0);
  await until(isUnderWay, "the slow call");
  await moveTo(a, b.pid);
  assert.deepEqual(await waits(0), [{ seat: 1, score: 5 }, { lobby: 2 }]);
  // Back and forth: both workers have calls that wait for one of the other.
  const before = fn.received.length;
  a.client.emit("state:slow", 1);
  await until(isUnderWay, "the second slow call");
  await moveTo(a, pid);
  a.client.emit("state:next");
  await a.client.emitWithAck("pid");
  await moveTo(a, b.pid);
  assert.deepEqual(await waits(1), [{ seat: 1, score: 6 }, { lobby: 2 }]);
  const own = fn.received.slice(before).filter(({ json }) => json.socket.id === a.client.id);
  assert.deepEqual(
    own.map(({ json }) => json.event),
    ["state:slow", "state:next", "state:look"],
  );
});
