/** The contract of a log that pushes, over each carrier. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Bus, EVERYONE, nodeChannel } from "../../src/cluster/log/event-log.ts";
import { createMemoryCarriers } from "../harness/memory-carrier.ts";
import { startPrimaryLogs } from "../harness/primary-logs.ts";
import { testRedis, testRedisCluster } from "../harness/redis.ts";
import { until } from "../harness/wait.ts";
import { countOf, fed, type Node, openNode, PACKETS_MAX, redisBus, say } from "./log-kit.ts";

/** Starts what the nodes share; what it returns makes the bus of another node. */
type Shared = (t: TestContext) => Promise<(node: string) => Bus | Promise<Bus>>;

const overRedis = (busKey: string) => async (t: TestContext) => {
  const redis = await testRedis(t);
  return async () => (await redisBus(t, redis.url, { busKey })).bus;
};

const CARRIERS: Readonly<Record<string, Shared>> = {
  async memory() {
    const carriers = createMemoryCarriers({ packetsMax: PACKETS_MAX, bytesMax: 1e8 });
    return (node) => fed(carriers.join(node));
  },
  "the primary of workers": startPrimaryLogs,
  Redis: overRedis(""),
  "Redis with a key": overRedis("a key of sixteen bytes or more"),
  "a Redis Cluster": async (t) => {
    const { url } = await testRedisCluster(t, 3);
    return async () => (await redisBus(t, url)).bus;
  },
};

for (const [name, start] of Object.entries(CARRIERS)) {
  async function twoNodes(t: TestContext): Promise<[Node, Node]> {
    const join = await start(t);
    const nodes: [Node, Node] = [openNode(t, await join("a")), openNode(t, await join("b"))];
    // Opened at its end, which has to be found first.
    await Promise.all(nodes.map(({ log }) => log.subscribe(["open"])));
    await until(async () => (await nodes[0].log.nodes()) === 2, "both nodes");
    return nodes;
  }

  test(`${name}: what is appended is heard by who has subscribed, own entries included, in one order`, async (t) => {
    const [a, b] = await twoNodes(t);
    await a.log.subscribe([":red"]);
    await b.log.subscribe([":red", ":blue"]);
    const ids = await Promise.all([
      say(a, [":red"], "1"),
      say(a, [":blue"], "2"),
      say(a, [":red", ":blue"], "3"),
      say(b, [EVERYONE], "4"),
    ]);
    await until(() => b.heard.length === 4 && a.heard.length === 3, "all");
    const plain = ({ heard }: Node) => heard.map((text) => text.slice(0, 1));
    assert.deepEqual(
      plain(a),
      plain(b).filter((text) => text !== "2"),
    );
    assert.deepEqual(new Set(a.heard), new Set(["1 (own)", "3 (own)", "4"]));
    assert.deepEqual(new Set(ids.slice(0, 3)).size, 3);
    const heardIds = b.entries.map(({ id }) => id);
    assert.deepEqual(new Set(heardIds), new Set(ids));
    assert.equal(a.log.place(), b.log.place());
  });

  test(`${name}: a node can wait until it has heard all that it appended`, async (t) => {
    const [a] = await twoNodes(t);
    await a.bus.settle(0);
    await a.log.subscribe([":red"]);
    const ends = Promise.all([say(a, [":red"], "1"), say(a, [":blue"], "2"), say(a, ["*"], "3")]);
    await a.bus.settle(60_000);
    assert.deepEqual(a.heard, ["1 (own)", "3 (own)"]);
    await ends;
  });

  test(`${name}: a message comes behind the entries that were appended before`, async (t) => {
    const [a, b] = await twoNodes(t);
    void say(a, [EVERYONE], "1");
    const reached = a.log.tell(nodeChannel(b.bus.node), Buffer.from("2"));
    void say(a, [EVERYONE], "3");
    assert.equal(countOf(await reached), 1);
    assert.equal(countOf(await a.log.tell(EVERYONE, Buffer.from("4"))), 2);
    await until(() => b.heard.length === 4, "all");
    assert.deepEqual(b.heard, ["1", `2 from ${a.bus.node}`, "3", `4 from ${a.bus.node}`]);
  });

  test(`${name}: a subscription made while an entry is heard hears all that come after it`, async (t) => {
    const [a, b] = await twoNodes(t);
    b.inside = (text) => {
      if (text === "join") void b.log.subscribe([":late"]);
    };
    void say(a, [":late"], "before");
    void say(a, [EVERYONE], "join");
    for (let n = 0; n < 10; n++) void say(a, [n % 2 === 0 ? ":late" : EVERYONE], String(n));
    await until(() => b.heard.length >= 11, "all");
    assert.deepEqual(b.heard, ["join", ...Array.from({ length: 10 }, (_, n) => String(n))]);
  });

  test(`${name}: a message waits for the entries before it that a new subscription has missed`, async (t) => {
    const [a, b] = await twoNodes(t);
    b.inside = (text) => {
      if (text === "join") void b.log.subscribe([":late"]);
    };
    void say(a, [EVERYONE], "join");
    void say(a, [":late"], "1");
    void a.log.tell(EVERYONE, Buffer.from("2"));
    await until(() => b.heard.length === 3, "all");
    assert.deepEqual(b.heard, ["join", "1", `2 from ${a.bus.node}`]);
  });

  test(`${name}: everything after an id can be read, whatever its channels, until it is trimmed`, async (t) => {
    const [a] = await twoNodes(t);
    const first = await say(a, [":red"], "0");
    for (let n = 1; n <= 10; n++) await say(a, [`:${n}`], String(n));
    const part = await a.log.after(first);
    assert.deepEqual(
      part?.entries.map(({ body }) => Buffer.from(body).toString()),
      Array.from({ length: 10 }, (_, n) => String(n + 1)),
    );
    await a.log.reached(part?.end ?? "");
    for (let n = 0; n < 5 * PACKETS_MAX; n++) await say(a, [":red"], "more");
    assert.equal(await a.log.after(first), undefined);
  });
}
