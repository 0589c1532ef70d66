/** Nodes behind a real Redis that subscribe, append and lose their connections hear what they should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import {
  type Bus,
  compareIds,
  type EntryId,
  EVERYONE,
  type EventLog,
} from "../../src/cluster/log/event-log.ts";
import { cases } from "../harness/random.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { type RedisBus, redisBus } from "./log-kit.ts";

const CASES = cases(15);
const NODES = 3;
const CHANNELS = [":a", ":b", ":c", ":d"];

const node = fc.nat(NODES - 1);
const channel = fc.constantFrom(...CHANNELS);
const channels = fc.uniqueArray(fc.constantFrom(...CHANNELS, EVERYONE), {
  minLength: 1,
  maxLength: 3,
});
const joins = fc.option(channel, { nil: undefined, freq: 5 });
const command = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant("append"), node, channels, joins }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("subscribe"), node, channel }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("unsubscribe"), node, channel }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("turn") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("kill"),
      type: fc.constantFrom("pubsub", "pubsub", "pubsub", "normal"),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** From when on a node must hear a channel: after an entry, or what is appended after a step. */
type Since = { readonly id: EntryId } | { readonly step: number };

interface Player {
  readonly log: EventLog<string>;
  readonly heard: string[];
  readonly since: Map<string, Since>;
}

/** What was appended, by its text. */
interface Said {
  readonly by: Player;
  readonly step: number;
  readonly channels: readonly string[];
  id?: EntryId;
}

function join(bus: Bus, namespace: string): Player {
  let last = "0-0";
  const heard: string[] = [];
  const since = new Map<string, Since>();
  const log = bus.open<string>(namespace, {
    heard({ id, channels: to, body }, own) {
      const text = Buffer.from(body).toString();
      assert.ok(compareIds(id, last) > 0, `${text} comes in its order, and once`);
      last = id;
      assert.ok(
        to.some((each) => since.has(each)),
        `${text} is for it`,
      );
      if (own !== undefined) assert.equal(own, text);
      heard.push(text);
      const [, joined] = text.split(" ");
      if (!joined) return;
      if (!since.has(joined)) since.set(joined, { id });
      void log.subscribe([joined]);
    },
    told() {},
    lost: () => assert.fail("nothing was lost"),
  });
  return { log, heard, since };
}

function mustHear({ since }: Player, said: Said): boolean {
  return said.channels.some((each) => {
    const from = since.get(each);
    if (!from || said.id === undefined) return false;
    return "id" in from ? compareIds(said.id, from.id) > 0 : said.step > from.step;
  });
}

test("any history of three nodes whose connections are cut: each hears what it should, in one order", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const killer = new Redis(redis.url);
  t.after(() => killer.disconnect());
  const nodes: RedisBus[] = [];
  for (let at = 0; at < NODES; at++) {
    nodes.push(await redisBus(t, redis.url, { streamPacketsMax: 100_000 }));
  }
  let runs = 0;
  let deliveries = 0;

  async function play(commands: readonly Command[]): Promise<void> {
    runs++;
    const players = nodes.map(({ bus }) => join(bus, `/${runs}`));
    // The cuts of the history before may still be coming.
    await until(() => players.every(({ log }) => log.place() !== "0-0"), "that all are open");
    const said = new Map<string, Said>();
    const appended: Promise<unknown>[] = [];
    for (const { since } of players) since.set(EVERYONE, { step: -1 });
    for (const [step, given] of commands.entries()) {
      if (given.do === "turn") await new Promise(setImmediate);
      else if (given.do === "wait") await new Promise((resolve) => setTimeout(resolve, given.ms));
      else if (given.do === "kill") {
        await killer.call("CLIENT", "KILL", "TYPE", given.type, "SKIPME", "yes");
      } else {
        const by = players[given.node] as Player; // `node` is below NODES
        if (given.do === "subscribe") {
          if (!by.since.has(given.channel)) by.since.set(given.channel, { step });
          void by.log.subscribe([given.channel]);
        } else if (given.do === "unsubscribe") {
          by.since.delete(given.channel);
          by.log.unsubscribe([given.channel]);
        } else {
          const text = given.joins ? `${step} ${given.joins}` : String(step);
          const one: Said = { by, step, channels: given.channels };
          said.set(text, one);
          const done = by.log.append(given.channels, Buffer.from(text), text).then(
            (id) => {
              one.id = id;
            },
            () => assert.ok(!by.heard.includes(text), "refused, and heard"),
          );
          appended.push(done);
        }
      }
    }
    await until(() => nodes.every(({ link }) => link.isHere()), "Redis at every node");
    await Promise.all(appended);
    const ends = [...said.values()].map(({ id }) => id ?? "0-0");
    const end = ends.sort(compareIds).at(-1) ?? "0-0";
    await Promise.all(players.map(({ log }) => log.reached(end)));
    for (const player of players) {
      const missing = [...said].filter(
        ([text, one]) => mustHear(player, one) && !player.heard.includes(text),
      );
      assert.deepEqual(
        missing.map(([text]) => text),
        [],
      );
      deliveries += player.heard.length;
      player.log.close();
    }
  }
  const histories = fc.array(command, { minLength: 60, maxLength: 200, size: "max" });
  await fc.assert(fc.asyncProperty(histories, play), CASES);
  const reconnects = nodes.map(({ samples }) => samples.reconnects);
  t.diagnostic(`${deliveries} deliveries, reconnected ${reconnects.join()} times`);
  assert.ok(deliveries > CASES.numRuns * 20, "the histories say something");
});
