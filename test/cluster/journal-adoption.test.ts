/** Who takes a dead node's lease gets its journal: in order, alone, and whoever dies in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestRedis } from "../harness/redis.ts";
import { testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import {
  appendAll,
  call,
  type JournalNode,
  letterOf,
  openNode,
  textsOf,
  written,
} from "./journal-kit.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, at) => String(at));
const owners = (redis: TestRedis) => redis.command("HLEN", "sluice:{nodes}:owners");

/** Removes what a node has adopted so far, as if functions had answered. */
async function deliverAll({ adopted, journal }: JournalNode): Promise<void> {
  for (const { place } of adopted) journal.remove(place);
  await journal.flushed();
}

test("a dead node's calls go to one of two others, in order, and its lease is settled once they are removed", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [dying, one, two] = [
    await openNode(t, redis),
    await openNode(t, redis, { max: 150 }),
    await openNode(t, redis, { max: 150 }),
  ];
  const texts = upTo(450);
  await appendAll(
    dying,
    texts.map((text, at) => call(text, `/,${at % 5}`)),
  );
  await dying.die();
  await until(() => one.adopted.length + two.adopted.length > 0, "the adoption");
  const [heir, other] = one.adopted.length > 0 ? [one, two] : [two, one];
  // No more is out than a journal holds, but for the page that was being read.
  await until(() => heir.adopted.length >= 100, "a page");
  assert.ok(heir.adopted.length <= 250);
  assert.deepEqual(await other.journal.elsewhere([{ lane: "/,1" }]), [true]);
  assert.deepEqual(await heir.journal.elsewhere([{ lane: "/,1" }]), [true]);
  await until(async () => {
    await deliverAll(heir);
    return heir.adopted.length === 450;
  }, "all of them");
  await deliverAll(heir);
  assert.deepEqual(textsOf(heir.adopted), texts);
  assert.equal(heir.adopted[7]?.lane, "/,2");
  await until(async () => (await owners(redis)) === "0", "the settlement");
  assert.deepEqual(other.adopted, []);
  assert.deepEqual(await other.journal.elsewhere([{ lane: "/,1" }]), [false]);
});

test("whoever adopts and dies is followed by the next, who gets what was left of both, each in order", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const first = await openNode(t, redis);
  await appendAll(
    first,
    upTo(5).map((text) => call(`first ${text}`)),
  );
  await first.die();
  const second = await openNode(t, redis);
  await until(() => second.adopted.length === 5, "the first adoption");
  await appendAll(
    second,
    upTo(3).map((text) => call(`second ${text}`)),
  );
  for (const { place } of second.adopted.slice(0, 2)) second.journal.remove(place);
  await second.journal.flushed();
  await second.die();
  const third = await openNode(t, redis);
  await until(() => third.adopted.length === 6, "the second adoption");
  const of = (node: JournalNode) =>
    textsOf(third.adopted.filter(({ place }) => place.journal === node.lease.node));
  assert.deepEqual(of(first), ["first 2", "first 3", "first 4"]);
  assert.deepEqual(of(second), ["second 0", "second 1", "second 2"]);
  // The oldest of the lane waits for nothing, all of the second journal wait for it.
  const asked = await third.journal.elsewhere(third.adopted.map(({ place }) => place));
  const waits = third.adopted.map(({ place }) => place.journal === second.lease.node);
  assert.deepEqual(asked, waits);
  await deliverAll(third);
  await until(async () => (await owners(redis)) === "0", "the settlement");
});

test("a node that stops hands its calls over at once, to others or to its own next start", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const leaseMs = 60_000;
  const [leaving, staying] = [
    await openNode(t, redis, { leaseMs }),
    await openNode(t, redis, { leaseMs }),
  ];
  await appendAll(leaving, [call("1"), call("2")]);
  await leaving.stop();
  // Neither the lease nor the patience of a node that has just started is waited for.
  await until(() => staying.adopted.length === 2, "the adoption");
  await staying.stop();
  const again = await openNode(t, redis, { leaseMs });
  await until(() => again.adopted.length === 2, "the adoption at a start");
  assert.deepEqual(textsOf(again.adopted), ["1", "2"]);
  await deliverAll(again);
  await until(async () => (await owners(redis)) === "0", "the settlement");
  await again.stop();
  assert.equal(await redis.command("ZCARD", "sluice:{nodes}:alive"), "0", "nothing was left");
});

test("a node that delivers nothing leaves journals to those that do", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const idle = await openNode(t, redis, { reads: false });
  const dying = await openNode(t, redis);
  await appendAll(dying, [call("1")]);
  const { node } = dying.lease;
  await dying.stop();
  // A turn of its lease later it has had its chance.
  await until(async () => {
    const ends = Number(await redis.command("ZSCORE", "sluice:{nodes}:alive", idle.lease.node));
    const now = Number((await redis.command("TIME")).split("\n")[0]) * 1000;
    return ends - now > 0 && idle.lease.samples().nodes === 1;
  }, "its turn");
  assert.equal(await redis.command("EXISTS", `sluice:{nodes}:taken:${node}`), "0");
  idle.read();
  await until(() => idle.adopted.length === 1, "the adoption");
});

test("a node that was cut off and is taken for dead delivers nothing, and goes on in a new journal", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const cut = await openNode(t, { url }, { timeoutMs: 60_000 });
  const other = await openNode(t, redis);
  const before = cut.lease.node;
  const [kept] = await appendAll(cut, [call("1"), call("2")]);
  assert.equal(cut.journal.isOwn(), true);
  wire.stall();
  const appended = cut.journal.append(call("3"));
  await until(() => other.adopted.length === 2, "the adoption");
  assert.equal(cut.journal.isOwn(), false);
  let isOwn = false;
  cut.journal.whenOwn(() => {
    isOwn = true;
  });
  assert.equal(isOwn, false);
  wire.flow();
  const place = await appended;
  assert.ok(typeof place === "object");
  assert.notEqual(place.journal, before);
  await until(() => isOwn, "its new lease");
  assert.equal(cut.taken(), 1);
  assert.equal(cut.journal.isOwn(), true);
  assert.deepEqual(textsOf(other.adopted), ["1", "2"]);
  assert.deepEqual(await cut.journal.elsewhere([place]), [true]);
  assert.equal(cut.journal.samples().entries, 1, "what is the other's counts here no more");
  // What was on its way when it was cut off may have been answered since.
  cut.journal.remove(kept as NonNullable<typeof kept>);
  await cut.journal.flushed();
  assert.deepEqual(await written(redis, before), ["2"]);
});

test("what was written before a lease was taken, but not confirmed, is the other's", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const cut = await openNode(t, { url }, { timeoutMs: 60_000, leaseMs: 60_000 });
  const { node } = cut.lease;
  await appendAll(cut, [call("1")]);
  redis.freeze(true);
  const appended = cut.journal.append(call("2"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  wire.stall();
  redis.freeze(false);
  await until(async () => (await written(redis, node)).length === 2, "the call");
  await redis.command("ZADD", "sluice:{nodes}:alive", "0", node);
  const other = await openNode(t, redis);
  await until(() => other.adopted.length === 2, "the adoption");
  wire.flow();
  assert.equal(await appended, "taken");
  assert.deepEqual(textsOf(other.adopted), ["1", "2"]);
});

test("an adopter that is taken for dead itself gives up what it had adopted", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const dying = await openNode(t, redis);
  await appendAll(
    dying,
    upTo(3).map((text) => call(text)),
  );
  const cut = await openNode(t, { url }, { timeoutMs: 60_000 });
  await dying.die();
  await until(() => cut.adopted.length === 3, "the first adoption");
  wire.stall();
  const third = await openNode(t, redis);
  await until(() => third.adopted.length === 3, "the second adoption");
  wire.flow();
  await until(() => cut.taken() === 1, "the news");
  assert.deepEqual(cut.adopted, []);
  await deliverAll(third);
  await until(async () => (await owners(redis)) === "0", "the settlement");
  assert.deepEqual(textsOf(third.adopted), ["0", "1", "2"]);
});

test("with a key, calls and letters that are not signed with it are not handed on, and go", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const busKey = "0123456789abcdef";
  const dying = await openNode(t, redis, { busKey });
  // A client may name half a character.
  const half = call("3", "/\ud800,a");
  const [first] = await appendAll(dying, [call("1"), call("2"), half]);
  dying.journal.letters.add(letterOf("x"));
  await dying.journal.flushed();
  const key = `sluice:{nodes}:journal:${dying.lease.node}`;
  // One without a signature, one with another's, one that was said before.
  const later = Number(first?.number) + 1000;
  await redis.command("XADD", key, `${later}-0`, "l", "/,a", "t", "forged");
  const forged = ["l", "/,a", "t", "forged", "n", "99", "s", "AAAA"];
  await redis.command("XADD", key, `${later + 1}-0`, ...forged);
  const fields = (await redis.command("XRANGE", key, "-", "+", "COUNT", "1")).split("\n").slice(1);
  await redis.command("XADD", key, `${later + 2}-0`, ...fields);
  const letter = ["i", "y", "r", "", "c", "", "j", JSON.stringify(letterOf("y")), "s", ""];
  const at = await redis.command("XADD", "sluice:{nodes}:letters", "*", ...letter);
  await redis.command("HSET", "sluice:{nodes}:letter-ids", "y", at);
  await dying.die();
  const heir = await openNode(t, redis, { busKey });
  await until(() => heir.adopted.length > 0, "the adoption");
  await until(async () => (await redis.command("XLEN", key)) === "3", "that they are removed");
  assert.deepEqual(textsOf(heir.adopted), ["1", "2", "3"]);
  const { items } = await heir.journal.letters.list({ limit: 10 });
  assert.deepEqual(
    items.map(({ id }) => id),
    ["x"],
  );
  assert.equal(await heir.journal.letters.take("y"), undefined);
  assert.equal((await heir.journal.letters.take("x"))?.letter.id, "x");
});
