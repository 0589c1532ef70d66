/** What others can write or say in Redis, and what nodes with a key make of it. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Redis } from "ioredis";
import { EVERYONE, nodeChannel } from "../../src/cluster/log/event-log.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openNode, redisBus, say } from "./log-kit.ts";

const RED = [":red"];
const BASE = "sluice:{/}:";
const LOG = `${BASE}log`;

/** Opens a node with a key. */
async function open(t: TestContext, { url }: Pick<TestRedis, "url">) {
  const own = await redisBus(t, url, { busKey: "a key of sixteen bytes or more" });
  const node = Object.assign(openNode(t, own.bus), own);
  await node.log.subscribe(RED);
  return node;
}

function clientOf(t: TestContext, { url }: TestRedis): Redis {
  const client = new Redis(url);
  t.after(() => client.disconnect());
  return client;
}

/** Collects all that is pushed. */
async function spyOn(t: TestContext, redis: TestRedis) {
  const pushed: [channel: string, message: Buffer][] = [];
  const spy = clientOf(t, redis);
  await spy.psubscribe("*");
  spy.on("pmessageBuffer", (_pattern, channel, message) => pushed.push([String(channel), message]));
  return pushed;
}

test("a log with a key to which nothing was appended for long: the next entry is believed", async (t) => {
  // Seen: after a minute without entries the next one was refused as a repeated one, by its own
  // node, too. It said the newest id that its node knew, and that was old.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  await clientOf(t, redis).xadd(LOG, `${Date.now() - 3_600_000}-0`, "join", "");
  const [a, b] = [await open(t, redis), await open(t, redis)];
  await say(a, RED, "0");
  await a.log.tell(EVERYONE, Buffer.from("1"));
  await until(() => b.heard.length === 2, "both");
  assert.deepEqual([a.heard[0], b.heard], ["0 (own)", ["0", `1 from ${a.bus.node}`]]);
  assert.deepEqual([a.samples.refused.replay, b.samples.refused.replay], [0, 0]);
});

test("notes of loss and markers that no node has said are refused and counted, and lose nothing", async (t) => {
  // Seen: who could publish on a channel had all nodes close their clients' connections.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const client = clientOf(t, redis);
  const pushed = await spyOn(t, redis);
  const [a, b] = [await open(t, redis), await open(t, redis)];
  await b.log.subscribe([":blue"]);
  const mine = `${BASE}${nodeChannel(b.bus.node)}`;
  const [, marker = Buffer.of()] = pushed.find(([channel]) => channel === mine) ?? [];
  assert.equal(String(marker.subarray(0, 1)), "m");
  const later = `l${Date.now() + 1_000}-0`;
  const frame = marker.subarray(1);
  const forged: [string, string | Buffer][] = [
    [`${BASE}*`, later],
    [`${BASE}*`, `${later} `],
    [`${BASE}*`, Buffer.concat([Buffer.from(`${later} `), frame])],
    [mine, Buffer.concat([Buffer.from(`${later} `), frame])],
    ...Array.from({ length: 10 }, (_, n): [string, string] => [mine, `m${n}`]),
    [`${BASE}*`, marker],
  ];
  for (const [channel, message] of forged) await client.publish(channel, message);
  // What stands in the log is read after a lost connection.
  await client.xadd(LOG, "*", "lost", "0-0");
  await client.xadd(LOG, "*", "lost", frame);
  await client.client("KILL", "TYPE", "pubsub");
  await say(a, RED, "0");
  await until(() => b.heard.length === 1, "the entry");
  assert.deepEqual([a.lost, b.lost, b.heard], [0, 0, ["0"]]);
  assert.deepEqual(b.samples.refused, { size: 0, shape: 1, signature: 16, replay: 0 });
});

test("a note of loss is believed once: who repeats it, or writes it to the log, is refused", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const client = clientOf(t, redis);
  const pushed = await spyOn(t, redis);
  await redis.command("ACL", "SETUSER", "one", "on", ">secret", "~*", "&*", "+@all");
  const one = { url: redis.url.replace("://", "://one:secret@") };
  const [a, b] = [await open(t, one), await open(t, redis)];
  const first = await say(a, RED, "0");
  await say(a, RED, "1");
  await until(() => b.heard.length === 2, "both");
  // As a replica that was behind has it when it takes over.
  const [kept] = await client.xrangeBuffer(LOG, first, first);
  await client
    .multi()
    .del(LOG)
    .xadd(LOG, first, ...((kept?.[1] ?? []) as Buffer[]))
    .exec();
  await client.client("KILL", "USER", "one", "TYPE", "pubsub");
  await until(() => a.lost === 1 && b.lost === 1, "the loss");
  const notes = pushed.filter(([, message]) => String(message).startsWith("l"));
  assert.equal(notes.length, 1);
  const [channel, note] = notes[0] as (typeof pushed)[number];
  const next = Date.now() + 100_000;
  const repeated = Buffer.from(
    String(note.toString("latin1")).replace(/^l\d+/, `l${next}`),
    "latin1",
  );
  for (const message of [note, repeated]) await client.publish(channel, message);
  await say(a, RED, "2");
  await until(() => b.heard.includes("2"), "what comes after");
  assert.deepEqual([a.lost, b.lost, b.samples.refused.replay], [1, 1, 2]);
  const copied = note.subarray(note.indexOf(" ") + 1);
  await client.xadd(LOG, `${next}-0`, "lost", copied);
  await client.client("KILL", "USER", "one", "TYPE", "pubsub");
  await until(() => a.samples.refused.replay === 3, "that it is refused");
  assert.deepEqual([a.lost, b.lost], [1, 1]);
});
