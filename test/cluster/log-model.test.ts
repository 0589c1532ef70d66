/**
 * Whatever order appends, pushes, answers, subscriptions, losses and trims come in, a node hears what
 * it should: no hole, nothing twice, one order, its own included.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createSamples } from "../../src/cluster/log/carrier.ts";
import {
  compareIds,
  type Entry,
  type EntryId,
  EVERYONE,
  type EventLog,
} from "../../src/cluster/log/event-log.ts";
import { createBus } from "../../src/cluster/log/feed.ts";
import { cases } from "../harness/random.ts";
import { type Controlled, createServer, type Server, type Step } from "./log-server.ts";

const CASES = cases(1_000);
const NODES = 2;
const CHANNELS = [":a", ":b", ":c"];

const node = fc.nat(NODES - 1);
const channel = fc.constantFrom(...CHANNELS);
const channels = fc.uniqueArray(fc.constantFrom(...CHANNELS, EVERYONE), {
  minLength: 1,
  maxLength: 3,
});
const step = fc.constantFrom<Step>("ask", "answer", "subscribe", "push");
const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("step"),
      node,
      step,
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  // Who hears it subscribes to a channel then and there, if there is one.
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("append"),
      ...{ node, channels, joins: fc.option(channel, { nil: undefined, freq: 4 }) },
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("tell"), node, channel }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("subscribe"), node, channel }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unsubscribe"), node, channel }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose"), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave"), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("back"), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trim"), keep: fc.nat(6) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(1, 7, 100, 1_000) }),
  },
);
const history = fc.record({
  commands: fc.array(command, { maxLength: 60, size: "max" }),
  signs: fc.boolean(),
  // All that comes, or two or three entries.
  heldBytesMax: fc.constantFrom(1e6, 500),
  /** The last node is cut off when it opens its log. */
  isLate: fc.boolean(),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** One node, and what it should hear. */
interface Player {
  readonly side: Controlled;
  readonly log: EventLog<string>;
  readonly heard: Set<string>;
  /** Of each channel that it has subscribed to: what comes after this must be heard. */
  readonly since: Map<string, EntryId>;
  /** Where the log was when the subscription to a channel stood. */
  readonly stands: Map<string, EntryId>;
  /** Channels for whose subscription nobody waited until the log had begun. */
  readonly letIn: Set<string>;
  readonly refused: Set<string>;
  appended: number;
  /** Nothing up to here has to be heard. */
  lostTo: EntryId;
  place: EntryId;
  /** Promises that have not settled. */
  pending: number;
}

const NONE = "0-0";
/** After every entry there is. */
const NEVER = "9999999999999999-0";
const textOf = ({ body }: { body: Uint8Array }) => Buffer.from(body).toString();
const isAfter = (id: EntryId, other: EntryId) => compareIds(id, other) > 0;
const lastId = ({ entries }: Server) => entries.at(-1)?.id ?? NONE;

function mustHear({ side, since, letIn, lostTo, refused }: Player, entry: Entry): boolean {
  if (!isAfter(entry.id, lostTo) || refused.has(textOf(entry))) return false;
  const isHere = isAfter(entry.id, side.began() ?? NEVER);
  return entry.channels.some(
    (each) => isAfter(entry.id, since.get(each) ?? NEVER) && (isHere || letIn.has(each)),
  );
}

/** Everything that it had to hear up to an id, it has heard. */
function checkHeard(server: Server, player: Player, to: EntryId): void {
  for (const entry of server.entries) {
    if (isAfter(entry.id, to) || !mustHear(player, entry)) continue;
    assert.ok(player.heard.has(textOf(entry)), `${player.side.carrier.node}: ${textOf(entry)}`);
  }
}

function join(server: Server, at: number, { signs, heldBytesMax, isLate }: History): Player {
  const side = server.join(String(at), signs);
  if (isLate && at === NODES - 1) side.leave();
  const bus = createBus(side.carrier, {
    samples: createSamples(),
    lagged() {},
    threw(error) {
      failures.push(error);
    },
    heldBytesMax,
  });
  let last = NONE;
  const log = bus.open<string>("/", {
    heard(entry, own) {
      const text = textOf(entry);
      assert.ok(isAfter(entry.id, last), `${text} comes in its order, and once`);
      last = entry.id;
      assert.ok(!player.refused.has(text), `${text} was refused`);
      assert.ok(
        entry.channels.some((each) => player.since.has(each)),
        `${text} is for it`,
      );
      if (own !== undefined) assert.equal(own, text);
      player.heard.add(text);
      const [, joins] = text.split(" ");
      if (joins) subscribe(server, player, joins, entry.id);
    },
    told(from, body) {
      // All that its node had appended before, of the channels whose subscription stood then.
      for (const entry of server.entries) {
        // By its own number: the log's does not count what was refused at once.
        const [, number] = textOf(entry).split(/[/ ]/);
        if (entry.from !== from || Number(number) > Number(textOf({ body }))) continue;
        const { since, stands } = player;
        const isAwaited = entry.channels.some(
          (each) => since.has(each) && isAfter(entry.id, stands.get(each) ?? NEVER),
        );
        if (!isAwaited || !mustHear(player, entry)) continue;
        assert.ok(player.heard.has(textOf(entry)), "told too early");
      }
    },
    lost() {
      const isLater = isLate && at === NODES - 1 && player.place === NONE && player.since.size > 1;
      const isGone = isAfter(server.trimmedTo(), player.place);
      assert.ok(isGone || isLater, "lost, though everything is there");
      player.lostTo = log.place();
      player.place = player.lostTo;
    },
  });
  const player: Player = {
    ...{ side, log, appended: 0, lostTo: NONE, place: NONE, pending: 0 },
    ...{ heard: new Set(), since: new Map([[EVERYONE, NONE]]), refused: new Set() },
    ...{ stands: new Map([[EVERYONE, NONE]]), letIn: new Set() },
  };
  return player;
}

/** What listeners threw. */
const failures: unknown[] = [];

function subscribe(server: Server, player: Player, to: string, from = lastId(server)): void {
  // What subscribed to it before may have done so later in the log, as a client of this node.
  if (isAfter(player.since.get(to) ?? NEVER, from)) player.since.set(to, from);
  const subscribed = player.log.subscribe([to]).then(() => {
    if (!player.since.has(to)) return;
    if (!player.stands.has(to)) player.stands.set(to, lastId(server));
    if (player.side.began() === undefined) player.letIn.add(to);
  });
  watch(player, subscribed);
}

function watch(player: Player, promise: Promise<unknown>): void {
  player.pending++;
  promise.then(
    () => player.pending--,
    () => player.pending--,
  );
}

function append(server: Server, player: Player, to: readonly string[], joins?: string): void {
  const { log, side, heard, refused } = player;
  const text = [`${side.carrier.node}/${++player.appended}`, ...(joins ? [joins] : [])].join(" ");
  const done = log.append(to, Buffer.from(text), text).then(
    (id) => {
      const entry = server.entries.find((each) => each.id === id);
      assert.equal(entry && textOf(entry), text);
      if (entry && mustHear(player, entry)) assert.ok(heard.has(text), `${text} was not heard`);
    },
    () => {
      assert.ok(!heard.has(text), `${text} was heard, and refused then`);
      refused.add(text);
    },
  );
  watch(
    player,
    done.catch((error: unknown) => failures.push(error)),
  );
}

function act(server: Server, players: readonly Player[], given: Command): void {
  if (given.do === "trim") server.trim(given.keep);
  if (given.do === "trim" || given.do === "wait") return;
  const player = players[given.node] as Player; // `node` is below NODES
  const { side, log } = player;
  if (given.do === "step") for (let n = 0; n < given.times; n++) side.step(given.step);
  else if (given.do === "append") append(server, player, given.channels, given.joins);
  else if (given.do === "subscribe") subscribe(server, player, given.channel);
  else if (given.do === "unsubscribe") {
    player.since.delete(given.channel);
    player.letIn.delete(given.channel);
    player.stands.delete(given.channel);
    log.unsubscribe([given.channel]);
  } else if (given.do === "tell") {
    watch(player, log.tell(given.channel, Buffer.from(String(player.appended))));
  } else side[given.do]();
}

/** Lets promises and what waits for the next turn of the event loop come. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
}

/** Plays one history, and then lets everything come. */
async function play(given: History, pass: (ms: number) => void): Promise<void> {
  failures.length = 0;
  const server = createServer(() => performance.now());
  const players = Array.from({ length: NODES }, (_, at) => join(server, at, given));

  async function check(): Promise<void> {
    await settle();
    assert.deepEqual(failures, []);
    for (const player of players) {
      const place = player.log.place();
      assert.ok(!isAfter(player.place, place), "its place only grows");
      player.place = place;
      checkHeard(server, player, place);
    }
  }

  async function finish(those: readonly Player[]): Promise<void> {
    for (const { side } of those) side.back();
    for (let idle = 0; idle < 5; idle++) {
      for (const { side } of those) {
        for (const step of ["ask", "answer", "subscribe", "push"] as const) {
          while (side.step(step)) idle = 0;
        }
      }
      pass(100);
      await check();
    }
  }

  await finish(given.isLate ? players.slice(0, -1) : players);
  for (const each of given.commands) {
    act(server, players, each);
    if (each.do === "wait") pass(each.ms);
    await check();
  }
  await finish(players);
  for (const player of players) watch(player, player.log.reached(lastId(server)));
  await finish(players);
  for (const player of players) {
    assert.equal(player.pending, 0, "a promise did not settle");
    checkHeard(server, player, lastId(server));
    player.log.close();
  }
}

test("any order of what a node does and is told: it hears what it should, once, in one order", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  // The clock of the nodes, and that of the log.
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  function pass(ms: number): void {
    nowMs += ms;
    t.mock.timers.tick(ms);
  }
  let heard = 0;
  const property = fc.asyncProperty(history, async (given) => {
    nowMs = 0;
    await play(given, pass);
    heard++;
  });
  await fc.assert(property, { ...CASES, endOnFailure: false });
  assert.ok(heard >= CASES.numRuns);
});
