/** Dead letters are one list for all nodes, and each goes to one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { appendAll, call, type JournalNode, letterOf, openNode, written } from "./journal-kit.ts";

async function idsOf({ journal }: JournalNode, filter: object = {}): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await journal.letters.list({ limit: 3, after, ...filter });
    ids.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  return ids;
}

test("a call that is given up becomes a letter in one step, and any node lists it, by route and reason", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await openNode(t, redis), await openNode(t, redis)];
  const places = await appendAll(
    a,
    ["1", "2", "3"].map((text) => call(text)),
  );
  const reasons = ["UPSTREAM_FAILED", "UPSTREAM_TIMEOUT"];
  for (let at = 0; at < 10; at++) {
    const route = at % 2 === 0 ? "even" : "odd";
    const letter = letterOf(String(at), { route, reason: String(reasons[at % 3 === 0 ? 1 : 0]) });
    a.journal.letters.add(letter, places[at]);
  }
  await a.journal.flushed();
  assert.deepEqual(await written(redis, a.lease.node), []);
  assert.deepEqual(await b.journal.elsewhere([{ lane: "/,a" }]), [false]);
  assert.deepEqual(await idsOf(b), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assert.deepEqual(await idsOf(b, { route: "odd" }), ["1", "3", "5", "7", "9"]);
  const both = { route: "odd", reason: "UPSTREAM_TIMEOUT" };
  assert.deepEqual(await idsOf(b, both), ["3", "9"]);
  assert.deepEqual(await idsOf(b, { route: "none" }), []);
  const [first] = (await b.journal.letters.list({ limit: 1 })).items;
  assert.deepEqual(first, letterOf("0", { route: "even", reason: "UPSTREAM_TIMEOUT" }));
  // Redis knows no such place: it counts as none, and Redis as here.
  for (const after of ["99999999999999999999-0", "18446744073709551615-18446744073709551615"]) {
    assert.deepEqual((await b.journal.letters.list({ limit: 1, after })).items, [first]);
  }
  assert.equal(b.journal.letters.samples.held, 10);
  assert.ok(b.journal.letters.samples.bytes > 5000);
});

test("calls of a lane with a letter between them keep lane and order in the same step", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [node, other] = [await openNode(t, redis), await openNode(t, redis)];
  const entries = ["/,a", "/,a", "/,b", "/,b", "/,a"].map((lane, at) => call(String(at), lane));
  const appended = entries.map((entry, at) => {
    if (at % 2 === 1) node.journal.letters.add(letterOf(`letter ${at}`));
    return node.journal.append(entry);
  });
  await Promise.all(appended);
  assert.deepEqual(await idsOf(node), ["letter 1", "letter 3"]);
  await node.die();
  await until(() => other.adopted.length === entries.length, "the calls");
  assert.deepEqual(
    other.adopted.map(({ lane, text }) => ({ lane, text })),
    entries,
  );
});

test("of two nodes that take a letter, one gets it, and has it in its journal in the same step", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await openNode(t, redis), await openNode(t, redis)];
  const ids = Array.from({ length: 30 }, (_, at) => String(at));
  for (const id of ids) a.journal.letters.add(letterOf(id));
  await a.journal.flushed();
  const nodes = [a, b, a, b];
  const taken = await Promise.all(
    ids.flatMap((id) => nodes.map(({ journal }) => journal.letters.take(id))),
  );
  const got = taken.filter((one) => one !== undefined);
  assert.deepEqual(got.map(({ letter }) => letter.id).sort(), [...ids].sort());
  const texts = await Promise.all([a, b].map(({ lease }) => written(redis, lease.node)));
  assert.deepEqual(texts.flat().sort(), ids.map((id) => `call ${id}`).sort());
  assert.deepEqual(await idsOf(a), []);
  const { held, bytes } = a.journal.letters.samples;
  assert.deepEqual([held, bytes], [0, 0]);
  assert.equal(a.journal.samples().entries + b.journal.samples().entries, 30);
  for (const { place } of got) a.journal.remove(place as NonNullable<typeof place>);
  await a.journal.flushed();
  assert.equal(await a.journal.letters.take("0"), undefined);
});

test("letters over the bounds of count, bytes and age are dropped, the oldest first, and counted", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const few = await openNode(t, redis, { letters: { max: 3 } });
  for (const id of ["1", "2", "3", "4", "5"]) few.journal.letters.add(letterOf(id));
  await few.journal.flushed();
  assert.deepEqual(await idsOf(few), ["3", "4", "5"]);
  assert.equal(few.journal.letters.samples.dropped, 2);
  assert.equal(few.journal.letters.samples.added, 5);
  const small = await openNode(t, redis, { letters: { bytesMax: 1500 } });
  small.journal.letters.add(letterOf("6"));
  await small.journal.flushed();
  assert.deepEqual(await idsOf(small), ["5", "6"]);
  await small.stop();
  await few.stop();
  // Nobody adds anything: the turn of the lease is enough.
  const brief = await openNode(t, redis, { letters: { ageMs: 50 } });
  const held = () => redis.command("XLEN", "sluice:{nodes}:letters");
  await until(async () => (await held()) === "0", "the age");
  assert.equal(await redis.command("EXISTS", "sluice:{nodes}:letter-ids"), "0");
  assert.equal(brief.journal.letters.samples.held, 0);
});

test("a letter that is given up again takes the place of the one before", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis);
  node.journal.letters.add(letterOf("1"));
  node.journal.letters.add(letterOf("2"));
  node.journal.letters.add(letterOf("1", { attempts: 4 }));
  await node.journal.flushed();
  const { items } = await node.journal.letters.list({ limit: 10 });
  assert.deepEqual(
    items.map(({ id, attempts }) => [id, attempts]),
    [
      ["2", 3],
      ["1", 4],
    ],
  );
});

test("while Redis is away letters wait, and what they are of stays in the journal", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const node = await openNode(t, { url }, { timeoutMs: 200, leaseMs: 60_000 });
  const [place] = await appendAll(node, [call("1")]);
  wire.stall();
  await until(() => !node.link.isHere(), "the outage");
  node.journal.letters.add(letterOf("1"), place);
  node.journal.letters.add(letterOf("2"));
  await assert.rejects(node.journal.letters.list({ limit: 1 }), { code: "CLUSTER_AWAY" });
  await assert.rejects(node.journal.letters.take("1"), { code: "CLUSTER_AWAY" });
  assert.deepEqual(await written(redis, node.lease.node), ["1"]);
  wire.flow();
  await until(() => node.link.isHere(), "its return");
  await node.journal.flushed();
  assert.deepEqual(await idsOf(node), ["1", "2"]);
  assert.deepEqual(await written(redis, node.lease.node), []);
});

test("a letter whose taker was gone when it came is a letter again", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis, { timeoutMs: 200, leaseMs: 60_000 });
  node.journal.letters.add(letterOf("1"));
  await node.journal.flushed();
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  await assert.rejects(node.journal.letters.take("1"), { code: "CLUSTER_AWAY" });
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  await node.journal.flushed();
  assert.deepEqual(await idsOf(node), ["1"]);
  assert.deepEqual(await written(redis, node.lease.node), []);
});
