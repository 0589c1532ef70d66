/** The log in the primary of workers, where it is more than the contract of log.test.ts. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import {
  compareIds,
  type Entry,
  EVERYONE,
  type EventLog,
} from "../../src/cluster/log/event-log.ts";
import type { WorkerBus } from "../../src/cluster/worker-bus.ts";
import type { PipeSockets } from "../../src/cluster/worker-pipe.ts";
import { startPrimaryLogs } from "../harness/primary-logs.ts";
import { until } from "../harness/wait.ts";

interface Worker {
  readonly name: string;
  readonly bus: WorkerBus;
  readonly log: EventLog<string>;
  readonly heard: Entry[];
  readonly told: string[];
  lost: number;
  /** It subscribes while it hears an entry. */
  joinsInside: boolean;
  inside(text: string): void;
}

const textOf = ({ body }: Pick<Entry, "body">) => Buffer.from(body).toString();
const textsOf = ({ heard }: Worker) => heard.map(textOf);
const say = ({ log }: Worker, channels: readonly string[], text: string) =>
  log.append(channels, Buffer.from(text), text);

function openWorker(t: TestContext, bus: WorkerBus): Worker {
  const heard: Entry[] = [];
  const told: string[] = [];
  const log = bus.open<string>("/", {
    heard(entry, own) {
      const expected = entry.from === bus.node ? textOf(entry) : undefined;
      // What came before it subscribed inside an earlier entry it may have given up.
      if (own !== undefined || !worker.joinsInside) assert.equal(own, expected);
      heard.push(entry);
      worker.inside(textOf(entry));
    },
    told: (from, body) => told.push(`${textOf({ body })} from ${from}`),
    left: (node) => told.push(`${node} left`),
    lost: () => void worker.lost++,
  });
  t.after(() => bus.stop());
  const worker: Worker = {
    name: bus.node,
    bus,
    log,
    heard,
    told,
    lost: 0,
    joinsInside: false,
    inside() {},
  };
  return worker;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Starts workers that have opened their logs. */
async function startWorkers(
  t: TestContext,
  names: readonly string[],
  options: Parameters<typeof startPrimaryLogs>[1] = {},
): Promise<Worker[]> {
  const join = await startPrimaryLogs(t, options);
  const workers = names.map((name) => openWorker(t, join(name)));
  await until(async () => (await workers[0]?.log.nodes()) === names.length, "all workers");
  await Promise.all(workers.map(({ log }) => log.subscribe([":open"])));
  return workers;
}

/** Returns numbers from 0 to below `end`, the same for each seed. */
function dice(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * end);
  };
}

for (const seed of [1, 2]) {
  test(`seed ${seed}: three workers hear what they should, once and in the order of ids; readers miss nothing`, async (t) => {
    const roll = dice(seed);
    const workers = await startWorkers(t, ["a", "b", "c"], { packetsMax: 100_000 });
    const rooms = [":1", ":2", ":3", ":4", ":5", ":6"];
    let clock = 0;
    const said: { from: Worker; channels: string[]; text: string; at: number; id: string }[] = [];
    const stays: { who: Worker; channel: string; since: number; until: string | undefined }[] = [];
    const reading = new Map(workers.map((who) => [who, { end: "", entries: [] as Entry[] }]));
    const open: Promise<unknown>[] = [];

    function join(who: Worker, channel: string): void {
      const stay = { who, channel, since: Number.POSITIVE_INFINITY, until: undefined };
      const call = who.log.subscribe([channel]).then(() => {
        stay.since = ++clock;
      });
      stays.push(stay);
      open.push(call);
    }
    async function readOn(who: Worker): Promise<void> {
      const place = reading.get(who);
      if (!place) return;
      reading.delete(who);
      const at = clock;
      const resolved = said.filter(({ id }) => id !== "" && compareIds(id, place.end) > 0);
      const part = await who.log.after(place.end);
      assert.ok(part);
      const ids = new Set(part.entries.map(({ id }) => id));
      for (const { id, text } of resolved) assert.ok(ids.has(id), `${text} before ${at} was read`);
      await who.log.reached(part.end);
      assert.ok(compareIds(who.log.place(), part.end) >= 0);
      reading.set(who, { end: part.end, entries: [...place.entries, ...part.entries] });
    }
    for (const who of workers) {
      const place = reading.get(who);
      if (place) place.end = who.log.place();
      who.inside = (text) => {
        if (!text.startsWith("join")) return;
        who.joinsInside = true;
        join(who, text.slice(4));
      };
    }
    for (let step = 0; step < 1_000; step++) {
      const who = workers[roll(3)] as Worker;
      const channel = rooms[roll(rooms.length)] as string;
      const mine = stays.filter(({ who: by, until }) => by === who && until === undefined);
      const action = roll(20);
      if (action < 2) join(who, channel);
      else if (action < 4) {
        const ended = mine.filter((stay) => stay.channel === channel);
        if (ended.length > 0) who.log.unsubscribe([channel]);
        for (const stay of ended) stay.until = who.log.place();
      } else if (action === 4) open.push(readOn(who));
      else if (action === 5) await new Promise((resolve) => setTimeout(resolve, roll(3)));
      else {
        const channels = action < 16 ? [channel] : [channel, rooms[roll(rooms.length)] as string];
        if (action === 6) channels[0] = EVERYONE;
        const text = action === 6 && roll(3) === 0 ? `join${channel}` : `${step}`;
        const each = { from: who, channels, text, at: ++clock, id: "" };
        said.push(each);
        open.push(
          say(who, channels, text).then((id) => {
            each.id = id;
          }),
        );
      }
      if (roll(3) === 0) await turn();
    }
    await Promise.all(open);
    for (const who of workers) {
      const place = reading.get(who);
      await readOn(who);
      const read = reading.get(who)?.entries ?? [];
      const expected = said.map(({ id }) => id).sort(compareIds);
      assert.ok(place);
      assert.deepEqual(
        read.map(({ id }) => id),
        expected,
        `${who.name} has read everything, once`,
      );
      const ids = who.heard.map(({ id }) => id);
      assert.deepEqual(ids, [...new Set(ids)].sort(compareIds), "in the order of ids, once");
      const heard = new Set(ids);
      for (const { id, channels, at, text } of said) {
        const stay = stays.find(
          (stay) =>
            stay.who === who &&
            channels.includes(stay.channel) &&
            stay.since < at &&
            (stay.until === undefined || compareIds(id, stay.until) <= 0),
        );
        if (stay || channels.includes(EVERYONE)) assert.ok(heard.has(id), `${who.name} ${text}`);
      }
      for (const from of ["a", "b", "c"]) {
        const numbers = who.heard.filter((each) => each.from === from).map(({ n }) => n);
        assert.deepEqual(
          numbers,
          [...numbers].sort((a, b) => a - b),
        );
      }
    }
  });
}

test("a worker that subscribes to what another has hears all from then on", async (t) => {
  const [a, b] = (await startWorkers(t, ["a", "b"])) as [Worker, Worker];
  await a.log.subscribe([":1"]);
  void say(a, [":1"], "before");
  await until(() => a.heard.length === 1, "its own");
  const subscribed = b.log.subscribe([":1"]);
  let n = 0;
  while (n < 50) {
    void say(a, [":1"], String(n++));
    await turn();
  }
  await subscribed;
  const since = n;
  while (n < 100) void say(a, [":1"], String(n++));
  await until(() => a.heard.length === 101 && textsOf(b).at(-1) === "99", "all");
  const from = textsOf(a).length - textsOf(b).length;
  assert.equal(from <= 1 + since, true, "not too late");
  assert.deepEqual(textsOf(b), textsOf(a).slice(from), "without a hole");
});

test("what waits for a worker that does not read is bounded; it hears all later, in order", async (t) => {
  const sockets = new Map<string, Socket>();
  const connected = (node: string, ends: PipeSockets) => void sockets.set(node, ends.reads);
  const [a, b] = (await startWorkers(t, ["a", "b"], { connected })) as [Worker, Worker];
  await Promise.all([a.log.subscribe([":1"]), b.log.subscribe([":1"])]);
  sockets.get("b")?.pause();
  const large = "x".repeat(1_000_000);
  for (let n = 0; n < 16; n++) await say(a, [":1"], `${n}${large}`);
  const reached = await a.log.tell(EVERYONE, Buffer.from("who is there"));
  assert.deepEqual(reached, ["a"], "the other is left out");
  void say(b, [":1"], "from behind");
  sockets.get("b")?.resume();
  await until(() => b.heard.length === 17, "all");
  const numbers = b.heard.map((entry) => textOf(entry).replace(/x+/, ""));
  assert.deepEqual(numbers, [...Array.from({ length: 16 }, (_, n) => String(n)), "from behind"]);
  assert.equal(b.lost, 0);
});

test("a worker that reads again too late has lost entries, and goes on with the next", async (t) => {
  const sockets = new Map<string, Socket>();
  const connected = (node: string, ends: PipeSockets) => void sockets.set(node, ends.reads);
  const options = { connected, packetsMax: 10 };
  const [a, b] = (await startWorkers(t, ["a", "b"], options)) as [Worker, Worker];
  await Promise.all([a.log.subscribe([":1"]), b.log.subscribe([":1"])]);
  sockets.get("b")?.pause();
  const large = "x".repeat(1_000_000);
  for (let n = 0; n < 40; n++) await say(a, [":1"], `${n}${large}`);
  sockets.get("b")?.resume();
  await until(() => b.lost === 1, "the loss");
  assert.equal(b.bus.samples().gaps, 1);
  const count = b.heard.length;
  assert.ok(count < 40);
  await say(a, [":1"], "next");
  await until(() => b.heard.length === count + 1, "the next");
  assert.equal(textsOf(b).at(-1), "next");
});

test("a worker that is gone is told of, after what it had sent, and nobody counts it any more", async (t) => {
  const [a, b, c] = (await startWorkers(t, ["a", "b", "c"])) as [Worker, Worker, Worker];
  say(c, [EVERYONE], "last words").catch(() => {});
  await c.bus.stop();
  await until(() => a.told.includes("c left") && b.told.includes("c left"), "that it is gone");
  assert.deepEqual(textsOf(a), ["last words"]);
  assert.equal(await a.log.nodes(), 2);
  assert.deepEqual(await a.log.tell(EVERYONE, Buffer.from("1")), ["a", "b"]);
});

for (const size of [10, 100_000]) {
  test(`what a worker heard is in the log when it is killed, ${size} bytes each`, async (t) => {
    // Seen: clients of a killed worker missed or doubled what others of it had got. What it had
    // sent was not read any more once the primary wrote to it; and clients were sent what had not
    // left the worker's memory.
    const ends = new Map<string, PipeSockets>();
    const joined = (node: string, sockets: PipeSockets) =>
      void ends.set(`primary ${node}`, sockets);
    const connected = (node: string, sockets: PipeSockets) => void ends.set(node, sockets);
    const workers = await startWorkers(t, ["a", "b"], { joined, connected });
    const [a, b] = workers as [Worker, Worker];
    const first = a.log.place();
    await a.log.subscribe([":mine", ":1"]);
    await b.log.subscribe([":2"]);
    const large = "x".repeat(size);
    const sent: Promise<unknown>[] = [];
    for (let n = 0; n < 20; n++) {
      // From then on the primary is busy.
      if (n === 10) {
        await until(() => a.heard.length > 5, "some");
        ends.get("primary a")?.reads.pause();
      }
      sent.push(say(a, [":mine"], `${n}${large}`).catch(() => {}));
      await turn();
    }
    for (const end of ["reads", "writes"] as const) ends.get("a")?.[end].destroy();
    const heard = a.heard.map(({ id }) => id);
    for (let n = 0; n < 2; n++) await say(b, [":1", ":2"], "to both");
    ends.get("primary a")?.reads.resume();
    await until(() => b.told.includes("a left"), "that it is gone");
    await Promise.all(sent);
    const entries = (await b.log.after(first))?.entries ?? [];
    const ids = new Set(entries.map(({ id }) => id));
    assert.deepEqual(
      heard.filter((id) => !ids.has(id)),
      [],
    );
    // All that it had sent was read, though nobody takes the answers.
    const mine = entries.filter(({ from }) => from === "a").map(textOf);
    assert.deepEqual(
      mine,
      Array.from({ length: mine.length }, (_, n) => `${n}${large}`),
    );
    if (size < 1_000) assert.equal(mine.length, 20);
  });
}
