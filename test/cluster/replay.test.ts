/** With a key, what was captured between nodes is not believed a second time, or in another place. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Redis } from "ioredis";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { LOG, lost, member, move, secretOf, thief, twoNodes } from "./kit.ts";

const busKey = "a key of sixteen bytes or more";

/** Hears all that goes between the nodes, and can say it again. */
async function eavesdrop(t: TestContext, redis: TestRedis) {
  const [spy, publisher] = [new Redis(redis.url), new Redis(redis.url)];
  t.after(() => {
    for (const each of [spy, publisher]) each.disconnect();
  });
  const heard: [channel: string, message: Buffer][] = [];
  await spy.psubscribe("*");
  spy.on("pmessageBuffer", (_pattern, channel, message) => heard.push([String(channel), message]));
  return {
    async again() {
      for (const [channel, message] of heard.splice(0)) {
        const [, id, frame] = splitEntry(message) ?? [];
        await publisher.publish(channel, message);
        // What is pushed has an id that was passed; what is appended again has a new one.
        if (id && frame) await appendAgain(publisher, channel, frame);
      }
    },
  };
}

/** Appends a captured frame to the log, and pushes it, as a node would do with its own. */
async function appendAgain(publisher: Redis, channel: string, frame: Buffer): Promise<void> {
  const { base, name } = splitChannel(channel);
  const id = await publisher.xadd(`${base}log`, "*", "f", "someone:1", "c", name, "e", frame);
  await publisher.publish(channel, Buffer.concat([Buffer.from(`e${id} `), frame]));
}

function splitChannel(channel: string): { base: string; name: string } {
  const [, base = "", name = ""] = channel.match(/^(.*\{.*\}:)(.*)$/) ?? [];
  return { base, name };
}

/** Returns the id and the frame of an entry that was pushed. */
function splitEntry(message: Buffer): [kind: string, id: string, frame: Buffer] | undefined {
  const space = message.indexOf(" ");
  if (message[0] !== 0x65 || space < 0) return undefined;
  return ["e", message.toString("latin1", 1, space), message.subarray(space + 1)];
}

/** Returns the frames that a log keeps. */
async function framesOf(client: Redis, log: string): Promise<Buffer[]> {
  const entries = await client.xrangeBuffer(log, "-", "+");
  return entries.flatMap(([, fields]) => {
    const at = fields.findIndex((field) => String(field) === "e");
    return at < 0 ? [] : [fields[at + 1] as Buffer];
  });
}

const replays = (node: TestGateway) =>
  node.metric("sluice_cluster_refused_total", { reason: "replay" });

test("what is said again is refused and counted, broadcasts, requests and answers alike", async (t) => {
  // Seen: each copy was delivered. The signature said who had written a message, not which it was.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { busKey } });
  const far = await member(b, "red");
  const spy = await eavesdrop(t, redis);
  let asked = 0;
  b.io.on("hello", (done: (answer: string) => void) => {
    asked++;
    done("world");
  });
  a.io.to("red").emit("n", 1);
  assert.deepEqual(await a.io.serverSideEmitWithAck("hello"), ["world"]);
  far.client.on("ask", (done) => done("answer"));
  assert.deepEqual(await a.io.timeout(5000).emitWithAck("ask"), ["answer"]);
  a.io.in("red").socketsJoin("blue");
  await until(() => far.socket.rooms.has("blue") && far.heard.length === 1, "all of it");
  far.socket.leave("blue");
  await spy.again();
  await until(async () => (await replays(b)) >= 3, "the refusals");
  a.io.to("red").emit("n", 2);
  await until(() => far.heard.includes(2), "the next");
  assert.deepEqual([far.heard, asked, far.socket.rooms.has("blue")], [[1, 2], 1, false]);
  // A publisher that starts anew is another one: what it said before is still known.
  await a.stop();
  const anew = await testGateway(t, { cluster: { redisUrl: redis.url, busKey } });
  const before = await replays(b);
  await spy.again();
  await until(async () => (await replays(b)) > before, "the refusals");
  await until(() => {
    anew.io.to("red").emit("n", 3);
    return far.heard.includes(3);
  }, "what the new one says");
  assert.deepEqual(far.heard.slice(0, 3), [1, 2, 3]);
});

test("who returns is not sent what was said again meanwhile", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { busKey } });
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  const spy = await eavesdrop(t, redis);
  await move(client, socket, b);
  a.io.to("red").emit("n", 1);
  await until(async () => Number(await redis.command("XLEN", LOG)) >= 3, "its place");
  await spy.again();
  b.io.to("red").emit("n", 2);
  client.connect();
  await until(() => heard.includes(2), "the last");
  assert.deepEqual([client.recovered, heard], [true, [0, 1, 2]]);
});

test("a node that has just started believes nothing that was said long ago", async (t) => {
  // Seen: to a node that was new, all that had been captured could be said again, in its order. The old
  // code took the first number of each publisher that it heard.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const start = () =>
    testGateway(t, { cluster: { redisUrl: redis.url, timeoutMs: 10_000, busKey } });
  const old = await start();
  await member(old, "red");
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  old.io.to("red").emit("n", "captured");
  const kept = () => framesOf(client, LOG);
  const isThere = async () => (await kept()).some((frame) => frame.includes("captured"));
  await until(isThere, "its place");
  const captured = await kept();
  await old.stop();
  // Two minutes pass by Redis' clock, which is that of the stream's ids.
  await client.xadd(LOG, `${Date.now() + 120_000}-0`, "join", "");
  const anew = await start();
  const { heard } = await member(anew, "red");
  for (const frame of captured) await appendAgain(client, "sluice:{/}::red", frame);
  await until(async () => heard.length > 0 || (await replays(anew)) > 0, "what becomes of it");
  const other = await start();
  await until(() => {
    other.io.to("red").emit("n", "new");
    return heard.length > 0;
  }, "what another says");
  assert.equal(heard[0], "new");
});

test("a session of one namespace is believed in no other", async (t) => {
  // Seen: copied to the key of another namespace, a session gave its rooms and data there. The old
  // signature did not say for which namespace it was.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { busKey } });
  for (const node of [a, b]) node.io.of("/admin");
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  const secret = secretOf(client);
  await move(client, socket, b);
  await until(() => lost(redis, secret), "the session");
  const key = (namespace: string) => `sluice:{nodes}:lost:${namespace},${secret.pid}`;
  await redis.command("COPY", key("/"), key("/admin"));
  const other = thief(b, secret, { namespace: "/admin" });
  await next(other.connect(), "connect");
  assert.equal(other.recovered, false);
  client.connect();
  await next(client, "connect");
  assert.equal(client.recovered, true);
});

test("what was signed under one prefix is not believed under another", async (t) => {
  // Seen: a message of one cluster, copied into the stream of another with the same key, was
  // delivered there. The old signature did not say for which stream it was.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const start = (prefix: string) =>
    testGateway(t, { cluster: { redisUrl: redis.url, timeoutMs: 10_000, prefix, busKey } });
  const [one, two] = [await start("one"), await start("two")];
  const { heard } = await member(two, "red");
  one.io.to("red").emit("n", "from one");
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  const kept = () => framesOf(client, "one:{/}:log");
  await until(async () => (await kept()).length >= 1, "its place");
  for (const frame of await kept()) await appendAgain(client, "two:{/}::red", frame);
  const refused = () => two.metric("sluice_cluster_refused_total", { reason: "signature" });
  two.io.to("red").emit("n", "from two");
  await until(() => heard.includes("from two"), "its own");
  await until(async () => heard.length > 1 || (await refused()) > 0, "what becomes of the other");
  assert.deepEqual(heard, ["from two"]);
});
