import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields, LogLevel } from "../../src/core/log.ts";
import { readCall } from "../../src/upstream/call.ts";
import { createGate, type Received, startFunction } from "../harness/function.ts";
import { createMemoryJournals } from "../harness/memory-journal.ts";
import { until } from "../harness/wait.ts";
import { codeOf, testUpstream } from "./rig.ts";

/** What a request tells: socket, and number of the event or reason of the disconnect. */
function toldBy({ json, headers }: Received): { id: string; what: string }[] {
  const all = Array.isArray(json) ? json : [{ id: headers["ce-id"], data: json }];
  return all.map(({ id, data }) => ({
    id,
    what: `${data.socket.id} ${data.reason ?? data.args?.[0] ?? "in"}`,
  }));
}

const toldTo = ({ received }: { readonly received: readonly Received[] }) =>
  received.flatMap(toldBy).map(({ what }) => what);

test("an event is called once it is written down, and removed when it is answered", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, () => gate.passed.then(() => ({})));
  const journals = createMemoryJournals();
  const journal = journals.open();
  const upstream = testUpstream(t, { url: fn.url }, { journal });
  journal.isHeld = true;
  const lane = upstream.lane();
  lane.event("x", [1]);
  // One that a client waits for is not written down, and does not overtake.
  const asked = upstream.ask(lane, "x", 2);
  await new Promise(setImmediate);
  assert.deepEqual([fn.open, journals.entries.length], [0, 0]);
  journal.confirm();
  await until(() => fn.open === 1, "the first is called");
  assert.deepEqual(
    journals.entries.map(({ lane: of }) => of),
    ["/,s1"],
  );
  gate.open();
  await asked;
  assert.deepEqual(toldTo(fn), ["s1 1", "s1 2"]);
  assert.equal(journals.entries.length, 0);
});

test("while Redis is away events go on in memory, or are refused; disconnects always go on", async (t) => {
  for (const away of ["memory", "refuse"] as const) {
    const fn = await startFunction(t);
    const journal = createMemoryJournals().open();
    const upstream = testUpstream(t, { url: fn.url, away }, { journal });
    const refused: string[] = [];
    const lane = upstream.lane("s1", {
      refused: (event, code) => refused.push(`${event} ${code}`),
    });
    journal.refuses = "away";
    assert.equal(lane.event("x", [1]), undefined);
    lane.end("gone");
    await until(() => upstream.samples().queued.events === 0, "both are over");
    assert.deepEqual(toldTo(fn), away === "memory" ? ["s1 1", "s1 gone"] : ["s1 gone"]);
    assert.deepEqual(refused, away === "memory" ? [] : ["x UPSTREAM_AWAY"]);
    assert.equal(upstream.samples().deadLetters.added, 0);
    assert.equal(upstream.samples().journal?.unconfirmed, 2);
  }
});

test("a journal that is full refuses events, and keeps disconnects with the dead letters", async (t) => {
  const fn = await startFunction(t);
  const journal = createMemoryJournals().open();
  const upstream = testUpstream(t, { url: fn.url }, { journal });
  const refused: string[] = [];
  const lane = upstream.lane("s1", { refused: (_, code) => refused.push(code) });
  journal.refuses = "full";
  lane.event("x", [1]);
  lane.end("gone");
  await until(() => upstream.samples().queued.events === 0, "both are over");
  assert.deepEqual(refused, ["UPSTREAM_SATURATED"]);
  assert.equal(fn.received.length, 0);
  const { items } = await upstream.listDeadLetters({ limit: 5 });
  assert.deepEqual(
    items.map(({ type, reason }) => [type, reason]),
    [["disconnect", "UPSTREAM_SATURATED"]],
  );
});

test("a disconnect is done with once it is written down, and its record is struck with it", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const journals = createMemoryJournals();
  const upstream = testUpstream(t, { url: fn.url }, { journal: journals.open() });
  let done = 0;
  upstream.lane().end("gone", { strikes: "record", done: () => done++ });
  await until(() => done === 1, "it is written down");
  assert.deepEqual(journals.struck, ["record"]);
  await upstream.stop();
  assert.equal(done, 1);
});

test("what is in the journal is delivered only while the lease certainly runs", async (t) => {
  const fn = await startFunction(t, () => ({ status: fn.received.length === 1 ? 500 : 200 }));
  const journal = createMemoryJournals().open();
  const upstream = testUpstream(t, { url: fn.url }, { journal });
  fn.answer = () => {
    journal.isSure = false;
    return { status: 500 };
  };
  upstream.lane("a").event("x", [1]);
  await until(() => fn.received.length === 1 && fn.open === 0, "an attempt failed");
  upstream.lane("b").event("x", [2]);
  // One that a client waits for is in no journal, so nobody else delivers it.
  fn.answer = () => ({});
  await upstream.ask(upstream.lane("c"), "x", 3);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(toldTo(fn), ["a 1", "c 3"]);
  journal.renew();
  await until(() => upstream.samples().queued.events === 0, "all are over");
  assert.deepEqual(toldTo(fn).slice(2).sort(), ["a 1", "b 2"]);
});

test("another node goes on with what a taken journal holds: in order, under the same ids", async (t) => {
  for (const batch of [false, true]) {
    const gate = createGate();
    const fn = await startFunction(t, () => gate.passed.then(() => ({ status: 500 })));
    const journals = createMemoryJournals();
    const [first, second] = [journals.open(), journals.open()];
    const bounds = { url: fn.url, batch, batchMs: 1, batchMax: 2 };
    const old = testUpstream(t, bounds, { journal: first });
    const upstream = testUpstream(t, bounds, { journal: second });
    const lanes = ["a", "b"].map((id) => old.lane(id));
    for (const n of [1, 2, 3]) for (const lane of lanes) lane.event("x", [n]);
    for (const lane of lanes) lane.end("gone");
    await until(() => fn.open > 0 && journals.entries.length === 8, "all are written down");
    const open = new Set(fn.received.flatMap(toldBy).map(({ what }) => what));
    first.takenBy(second);
    fn.answer = () => ({});
    gate.open();
    const isOver = () => journals.entries.length === 0 && upstream.samples().queued.events === 0;
    await until(isOver, "all are delivered");
    assert.equal(old.samples().queued.events, 0);
    const told = fn.received.flatMap(toldBy);
    const ids = new Map(told.map(({ id, what }) => [what, id]));
    assert.ok(told.every(({ id, what }) => ids.get(what) === id));
    for (const socket of ["a", "b"]) {
      const own = told.map(({ what }) => what).filter((what) => what.startsWith(socket));
      const expected = ["1", "2", "3", "gone"].map((what) => `${socket} ${what}`);
      assert.deepEqual([...new Set(own)], expected);
      assert.ok(own.length - expected.length <= [...open].length, "twice only what was open");
    }
    assert.equal(upstream.samples().deadLetters.added, 0);
  }
});

test("a stop leaves in the journal what its function has not answered, and it is no loss", async (t) => {
  for (const batch of [false, true]) {
    const fn = await startFunction(t, () => ({ status: 500 }));
    const journals = createMemoryJournals();
    const first = journals.open();
    const lines: [LogLevel, LogFields, string][] = [];
    const log = (...line: [LogLevel, LogFields, string]) => void lines.push(line);
    const slow = { attemptsMax: 1000, breakerCallsMin: 1000, retryMs: 5, drainMs: 50 };
    const settings = { ...slow, url: fn.url, batch, batchMs: 1 };
    const old = testUpstream(t, settings, { journal: first, log });
    const lanes = ["a", "b", "c"].map((id) => old.lane(id));
    for (let n = 0; n < 5; n++) for (const lane of lanes) lane.event("x", [n]);
    for (const lane of lanes) lane.end("gone");
    await until(() => fn.received.length > 3, "they fail");
    await old.stop();
    assert.equal(old.samples().queued.events, 0);
    assert.equal(journals.entries.length, 18);
    const [level, fields] = lines.at(-1) ?? [];
    assert.deepEqual([level, fields?.calls], ["info", 18]);
    assert.ok(lines.every(([, , text]) => !text.includes("lost")));
    fn.answer = () => ({});
    fn.received.length = 0;
    const second = journals.open();
    const upstream = testUpstream(t, settings, { journal: second });
    first.takenBy(second);
    await until(() => journals.entries.length === 0, "the next node delivers them");
    for (const socket of ["a", "b", "c"]) {
      const own = toldTo(fn).filter((what) => what.startsWith(socket));
      assert.deepEqual(
        own,
        [0, 1, 2, 3, 4, "gone"].map((what) => `${socket} ${what}`),
      );
    }
    assert.equal(upstream.samples().deadLetters.added, 0);
  }
});

test("a stop does not let a later call overtake one that it leaves in the journal", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, () => gate.passed.then(() => ({ status: 500 })));
  const journals = createMemoryJournals();
  const upstream = testUpstream(t, { url: fn.url, drainMs: 5000 }, { journal: journals.open() });
  const lane = upstream.lane();
  for (const n of [1, 2]) lane.event("x", [n]);
  const asked = upstream.ask(lane, "x", 3);
  await until(() => fn.open === 1 && journals.entries.length === 2, "the first is open");
  const stopped = upstream.stop();
  gate.open();
  fn.answer = () => ({});
  assert.equal(codeOf(await asked), "UPSTREAM_STOPPING");
  await stopped;
  assert.deepEqual(toldTo(fn), ["s1 1"]);
  assert.equal(journals.entries.length, 2);
});

test("what a stop finds unconfirmed is a dead letter, and removed if it was written all the same", async (t) => {
  const fn = await startFunction(t);
  const journals = createMemoryJournals();
  const journal = journals.open();
  const lines: [LogFields, string][] = [];
  const log = (_: LogLevel, fields: LogFields, text: string) => void lines.push([fields, text]);
  const upstream = testUpstream(t, { url: fn.url }, { journal, log });
  journal.isHeld = true;
  upstream.lane().event("x", [1]);
  await upstream.stop();
  assert.equal(upstream.samples().deadLetters.held, 1);
  const [fields, text] = lines.at(-1) ?? [];
  assert.equal(fields?.calls, 1);
  assert.match(text ?? "", /not confirmed/);
  journal.confirm();
  await new Promise(setImmediate);
  assert.equal(journals.entries.length, 0);
  assert.equal(fn.received.length, 0);
});

test("the events of a socket that goes on here wait for older ones of another node", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, ({ json }) =>
    json.args?.[0] === "old" ? gate.passed.then(() => ({})) : {},
  );
  const journals = createMemoryJournals();
  const old = testUpstream(t, { url: fn.url }, { journal: journals.open() });
  const upstream = testUpstream(t, { url: fn.url }, { journal: journals.open() });
  old.lane("s1").event("x", ["old"]);
  await until(() => fn.open === 1, "the older one is open");
  const lane = upstream.lane("s1", { mayBeElsewhere: true });
  const about = { headers: {}, query: {}, auth: {}, address: "", secure: false, issued: 0 };
  await lane.connect({ ...about, recovered: true });
  lane.event("x", ["new"]);
  const asked = upstream.ask(lane, "x", "newer");
  upstream.lane("other").event("x", ["apart"]);
  await until(() => fn.received.length === 3, "another socket's is not held up");
  assert.deepEqual(toldTo(fn), ["s1 old", "s1 in", "other apart"]);
  gate.open();
  await asked;
  assert.deepEqual(toldTo(fn).slice(3), ["s1 new", "s1 newer"]);
});

test("a socket that goes to another node and comes back is told of in order", async (t) => {
  for (const batch of [false, true]) {
    const gate = createGate();
    const fn = await startFunction(t, () => gate.passed.then(() => ({})));
    const journals = createMemoryJournals();
    const settings = { url: fn.url, batch, batchMs: 1 };
    const [here, there] = [journals.open(), journals.open()].map((journal) =>
      testUpstream(t, settings, { journal }),
    );
    const say = async (upstream: typeof here, n: number) => {
      const lane = upstream?.lane("s1", { mayBeElsewhere: true });
      lane?.event("x", [n]);
      await until(() => journals.entries.length === n, "it is written down");
      if (n === 1) await until(() => fn.open === 1, "the first is called");
      lane?.end();
    };
    for (const [at, upstream] of [here, here, there, here].entries()) await say(upstream, at + 1);
    gate.open();
    await until(() => journals.entries.length === 0, "all are delivered");
    assert.deepEqual(toldTo(fn), ["s1 1", "s1 2", "s1 3", "s1 4"]);
  }
});

test("calls of one socket in two journals are adopted in their order", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500 }));
  const journals = createMemoryJournals();
  const [first, second, third] = [journals.open(), journals.open(), journals.open()];
  const settings = { url: fn.url, attemptsMax: 1000, breakerCallsMin: 1000 };
  const nodes = [first, second].map((journal) => testUpstream(t, settings, { journal }));
  nodes[0]?.lane("s1").event("x", [1]);
  await until(() => journals.entries.length === 1, "the older one is written down");
  nodes[1]?.lane("s1", { mayBeElsewhere: true }).event("x", [2]);
  await until(() => journals.entries.length === 2, "both are written down");
  await Promise.all(nodes.map((node) => node.stop()));
  fn.received.length = 0;
  fn.answer = () => ({});
  testUpstream(t, settings, { journal: third });
  second.takenBy(third);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(toldTo(fn), []);
  first.takenBy(third);
  await until(() => journals.entries.length === 0, "both are delivered");
  assert.deepEqual(toldTo(fn), ["s1 1", "s1 2"]);
});

test("of a batch that failed in part, what is done is removed and the rest stays", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({
    body: {
      failed: json
        .filter(({ data }: { data: { socket: { id: string } } }) => data.socket.id === "b")
        .map(({ id }: { id: string }) => ({ id, retry: true })),
    },
  }));
  const journals = createMemoryJournals();
  const slow = { retryMs: 60_000, retryMsMax: 60_000 };
  const settings = { ...slow, url: fn.url, batch: true, batchMax: 4, batchMs: 60_000 };
  const upstream = testUpstream(t, settings, { journal: journals.open() });
  const lanes = ["a", "b"].map((id) => upstream.lane(id));
  for (const n of [1, 2]) for (const lane of lanes) lane.event("x", [n]);
  await until(() => fn.received.length === 1, "all go in one batch");
  assert.deepEqual(toldTo(fn).sort(), ["a 1", "a 2", "b 1", "b 2"]);
  const keptLanes = () => journals.entries.map(({ lane }) => lane);
  await until(() => keptLanes().length === 2, "those of a are removed");
  assert.deepEqual(keptLanes(), ["/,b", "/,b"]);
  await upstream.stop();
  assert.deepEqual(keptLanes(), ["/,b", "/,b"]);
  assert.equal(upstream.samples().deadLetters.held, 0);
});

test("a dead letter takes its call's place in the journal, and a replay puts it back", async (t) => {
  const fn = await startFunction(t, () => ({ status: 404 }));
  const journals = createMemoryJournals();
  const upstream = testUpstream(t, { url: fn.url }, { journal: journals.open() });
  const lane = upstream.lane();
  lane.event("x", [1]);
  await until(() => upstream.samples().deadLetters.held === 1, "it is given up");
  assert.equal(journals.entries.length, 0);
  const failing = await upstream.replayDeadLetters({});
  assert.deepEqual(
    failing.map(({ outcome }) => outcome),
    ["failed"],
  );
  assert.deepEqual([journals.entries.length, upstream.samples().deadLetters.held], [0, 1]);
  // One that its socket waits behind is in the journal meanwhile, and a stop leaves it there.
  const gate = createGate();
  fn.answer = () => gate.passed.then(() => ({ status: 500 }));
  const replayed = upstream.replayDeadLetters({});
  lane.event("x", [2]);
  await until(() => fn.open === 1 && journals.entries.length === 2, "it is tried");
  const stopped = upstream.stop();
  gate.open();
  assert.deepEqual(
    (await replayed).map(({ outcome }) => outcome),
    ["failed"],
  );
  await stopped;
  assert.deepEqual([journals.entries.length, upstream.samples().deadLetters.held], [2, 0]);
});

test("an adopted call without a route here is a dead letter", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const journals = createMemoryJournals();
  const [first, second] = [journals.open(), journals.open()];
  const routes = [{ name: "old", namespace: "/", event: "*", url: fn.url }];
  const old = testUpstream(t, { routes }, { journal: first });
  old.lane().event("x", [1]);
  await until(() => journals.entries.length === 1, "it is written down");
  await old.stop();
  const upstream = testUpstream(t, { url: fn.url }, { journal: second });
  first.takenBy(second);
  await until(() => upstream.samples().deadLetters.held === 1, "it is kept");
  const { items } = await upstream.listDeadLetters({ limit: 5 });
  assert.deepEqual(
    items.map(({ route, reason, data }) => [route, reason, (data as { args: unknown }).args]),
    [["old", "UPSTREAM_NO_ROUTE", [1]]],
  );
  assert.equal(journals.entries.length, 0);
});

test("whoever tells that a node's socket is lost makes the call under the same id", async (t) => {
  const fn = await startFunction(t);
  const [first, second] = [testUpstream(t, { url: fn.url }), testUpstream(t, { url: fn.url })];
  first.lane("s1").end("node_lost", { of: "node-a" });
  second.lane("s1").end("node_lost", { of: "node-a" });
  // Its session went on elsewhere, and was lost there again.
  second.lane("s1").end("node_lost", { of: "node-b" });
  await until(() => fn.received.length === 3, "all are told");
  const ids = fn.received.map(({ headers }) => headers["webhook-id"]);
  assert.equal(new Set(ids).size, 2);
});

test("whatever names and rooms a call has, it is read as it was written", async (t) => {
  let gate = createGate();
  const fn = await startFunction(t, () => gate.passed.then(() => ({})));
  const journal = createMemoryJournals();
  const upstream = testUpstream(
    t,
    { url: fn.url, namespaces: ["/*"] },
    { journal: journal.open() },
  );
  const [namespace, id, event] = ['/a "b" \\\n', "s,\u2028ä", 'x"\ud800'];
  const trace = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: 'k="v"' };
  const rooms = ['"r"', "\n"];
  for (const more of [{ trace, rooms }, {}]) {
    gate = createGate();
    const lane = upstream.lane(id, { namespace, ...more });
    lane.event(event, ["\n"]);
    await until(() => journal.entries.length === 1, "it is written down");
    const kept = readCall(journal.entries[0]?.text ?? "");
    const { at, order, id: call, ...read } = kept ?? { at: 0, order: 0, id: "" };
    assert.deepEqual(read, {
      ...{ kind: "event", namespace, socketId: id, subject: event, route: "default", ...more },
      socket: JSON.stringify({ id, namespace, userId: `user of ${id}`, data: {} }),
      members: `,${JSON.stringify({ event, args: ["\n"], ack: false }).slice(1, -1)}`,
    });
    assert.ok(at > 0 && order >= at * 1000 && call !== "");
    gate.open();
    await until(() => journal.entries.length === 0, "it is answered");
    lane.end();
  }
});

test("a journal hears that an answer has changed its socket before the call is removed", async (t) => {
  const fn = await startFunction(t, ({ json }) =>
    json.event === "none" ? {} : { body: { data: { n: 1 } } },
  );
  const journal = createMemoryJournals().open();
  const heard: string[] = [];
  const { remove } = journal;
  journal.changed = () => void heard.push("changed");
  journal.remove = (place) => {
    heard.push("removed");
    remove(place);
  };
  const upstream = testUpstream(t, { url: fn.url }, { journal });
  const lane = upstream.lane("s");
  for (const name of ["none", "one"]) lane.event(name, []);
  await until(() => upstream.samples().queued.events === 0, "the answers");
  assert.deepEqual(heard, ["removed", "changed", "removed"]);
  lane.end();
});

test("what no gateway has written is removed from a journal, and holds up nothing", async (t) => {
  const fn = await startFunction(t);
  const journals = createMemoryJournals();
  const [dead, journal] = [journals.open(), journals.open()];
  testUpstream(t, { url: fn.url }, { journal });
  const about = { id: "evt_1", kind: "event", subject: "x", at: 1, order: 1, route: "default" };
  const head = { ...about, namespace: "/", socketId: "s1" };
  const textOf = (more: object, socket = '{"id":"s1"}') =>
    `${JSON.stringify({ ...head, ...more })}\n${socket}\n,"event":"x","args":[1]`;
  const texts = ["", "{}\n{}\n", "null\n{}\n", "[]\n[]\n", textOf({}, "not JSON"), textOf({}, "1")];
  for (const more of [{ namespace: 5 }, { kind: "toString" }, { order: null }, { rooms: "all" }]) {
    texts.push(textOf(more));
  }
  for (const text of [...texts, textOf({})]) await dead.append({ lane: "/,s1", text });
  dead.takenBy(journal);
  await until(() => journals.entries.length === 0, "nothing is left");
  assert.deepEqual(toldTo(fn), ["s1 1"]);
  assert.deepEqual(await journal.letters.list({ limit: 1 }), { items: [] });
});
