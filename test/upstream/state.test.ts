/** What functions keep with a socket: patched by answers, shown by later calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createGate,
  type Received,
  startFunction,
  type TestFunction,
} from "../harness/function.ts";
import { createMemoryJournals } from "../harness/memory-journal.ts";
import { until } from "../harness/wait.ts";
import { codeOf, testUpstream } from "./rig.ts";

/** The bodies of the calls that a function got, those of batches one by one. */
function callsOf(fn: TestFunction) {
  return fn.received.flatMap(bodiesOf);
}

function bodiesOf({
  json,
}: Received): { id?: string; socket: Shown; args: unknown[]; [k: string]: unknown }[] {
  return Array.isArray(json) ? json.map(({ id, data }) => ({ id, ...data })) : [json];
}

interface Shown {
  readonly id?: string;
  readonly data: Record<string, unknown>;
  readonly version?: number;
  readonly rooms?: string[];
}

/** Answers each call with what `answer` says to its first argument. */
function answering(answer: (n: unknown) => object | undefined) {
  return (request: Received) => {
    const bodies = bodiesOf(request);
    if (!Array.isArray(request.json)) return { body: answer(bodies[0]?.args?.[0]) ?? {} };
    const answers = bodies.map(({ id, args }) => ({ id, ...answer(args[0]) }));
    return { body: { answers } };
  };
}

for (const batch of [false, true]) {
  const way = batch ? "in batches" : "alone";

  test(`${way}: an answer patches the data that later calls show, with a version that grows`, async (t) => {
    const patches = [{ a: 1, b: { c: 1, d: 2 } }, { b: { c: null } }, undefined, { a: null }];
    const fn = await startFunction(
      t,
      answering((n) => patches[Number(n)] && { data: patches[Number(n)] }),
    );
    const upstream = testUpstream(t, { url: fn.url, batch, batchMax: 1 });
    const lane = upstream.lane();
    for (const n of patches.keys()) lane.event("x", [n]);
    lane.event("x", ["last"]);
    await until(() => callsOf(fn).length === 5, "all calls");
    const shown = callsOf(fn).map(({ socket }) => socket);
    assert.deepEqual(
      shown.map(({ data }) => data),
      [
        {},
        { a: 1, b: { c: 1, d: 2 } },
        { a: 1, b: { d: 2 } },
        { a: 1, b: { d: 2 } },
        { b: { d: 2 } },
      ],
    );
    const [none, first = 0, second = 0, same, third = 0] = shown.map(({ version }) => version);
    assert.equal(none, undefined);
    assert.ok(first > 0 && second > first && third > second);
    assert.equal(same, second);
    await until(() => upstream.samples().queued.events === 0, "all answers");
    assert.deepEqual(upstream.samples().states, { done: 3, old: 0, too_large: 0 });
  });

  test(`${way}: the calls of a socket that is gone show what the answers before them changed`, async (t) => {
    const gate = createGate();
    const fn = await startFunction(t, async (request) => {
      if (bodiesOf(request)[0]?.args?.[0] === 2) await gate.passed;
      return answering((n) => (n === undefined ? {} : { data: { by: n } }))(request);
    });
    const upstream = testUpstream(t, { url: fn.url, batch, batchMax: 1 });
    const lane = upstream.lane();
    for (const n of [1, 2, 3]) lane.event("x", [n]);
    await until(() => fn.open === 1 && fn.received.length === 2, "the second is open");
    lane.end("gone");
    gate.open();
    await until(() => upstream.samples().queued.events === 0, "all are delivered");
    assert.deepEqual(
      callsOf(fn).map(({ socket }) => socket.data),
      [{}, { by: 1 }, { by: 2 }, { by: 3 }],
    );
  });

  test(`${way}: data above dataBytesMax fail their own call, and nothing of it is done`, async (t) => {
    const fn = await startFunction(
      t,
      answering((n) => ({
        data: n === 2 ? { text: "x".repeat(1024) } : { [`n${n}`]: true },
        commands: [{ do: "emit", event: `n${n}` }],
      })),
    );
    const upstream = testUpstream(t, { url: fn.url, batch, dataBytesMax: 1024 });
    const lane = upstream.lane();
    for (const n of [1, 2, 3]) lane.event("x", [n]);
    await until(() => upstream.samples().queued.events === 0, "all are over");
    assert.deepEqual(
      upstream.applied.map((one) => "event" in one && one.event),
      ["n1", "n3"],
    );
    const { items } = await upstream.listDeadLetters({ limit: 10 });
    assert.deepEqual(
      items.map(({ reason, data }) => [reason, (data as { args: unknown[] }).args[0]]),
      [["UPSTREAM_DATA_TOO_LARGE", 2]],
    );
    lane.end("gone");
    await until(() => callsOf(fn).length === 4, "the disconnect");
    assert.deepEqual(callsOf(fn)[3]?.socket.data, { n1: true, n3: true });
  });
}

test("an ack that data above the limit cost is a named error; other answers may be odd or hostile", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, dataBytesMax: 1024 });
  const lane = upstream.lane();
  fn.answer = () => ({ body: { ack: [1], data: { text: "x".repeat(1024) } } });
  assert.equal(codeOf(await upstream.ask(lane, "x")), "UPSTREAM_DATA_TOO_LARGE");
  for (const data of [
    '"text"',
    "[]",
    '{"$binary":"AAAA"}',
    '{"a":{"__proto__":{"x":1}}}',
    `${'{"a":'.repeat(40)}1${"}".repeat(40)}`,
  ]) {
    fn.answer = () => ({ body: `{"data":${data}}` });
    assert.equal(codeOf(await upstream.ask(lane, "x")), "UPSTREAM_BAD_ANSWER", data);
  }
  for (const rooms of ['"red"', "[1]", '[""]', '{"join":"red"}', '{"leave":[{}]}']) {
    fn.answer = () => ({ body: `{"rooms":${rooms}}` });
    assert.equal(codeOf(await upstream.ask(lane, "x")), "UPSTREAM_BAD_ANSWER", rooms);
  }
  fn.answer = () => ({
    body: '{"ack":[1],"data":{"constructor":{"prototype":{"x":1}},"b":{"$binary":"AQI="}}}',
  });
  assert.deepEqual(await upstream.ask(lane, "x"), { ack: [1] });
  fn.answer = () => ({ body: { ack: [2], data: null, rooms: { join: null, leave: null } } });
  assert.deepEqual(await upstream.ask(lane, "x"), { ack: [2] });
  assert.equal(Reflect.get({}, "x"), undefined);
  assert.deepEqual(callsOf(fn).at(-1)?.socket.data, {
    constructor: { prototype: { x: 1 } },
    b: { $binary: "AQI=" },
  });
});

test("a dead letter that is replayed shows the data of now, and does not undo a later answer", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 1 });
  const lane = upstream.lane();
  fn.answer = () => ({ status: 500 });
  lane.event("x", ["early"]);
  await until(() => upstream.samples().deadLetters.held === 1, "the dead letter");
  fn.answer = answering((n) => ({ data: { by: n }, commands: [{ do: "emit", event: `${n}` }] }));
  lane.event("x", ["late"]);
  await until(() => upstream.samples().states.done === 1, "the later answer");
  await upstream.replayDeadLetters({});
  assert.deepEqual(callsOf(fn).at(-1)?.socket.data, { by: "late" });
  assert.deepEqual(upstream.samples().states, { done: 1, old: 1, too_large: 0 });
  assert.equal(upstream.applied.length, 2, "its commands are carried out");
  lane.end("gone");
  await until(() => callsOf(fn).length === 4, "the disconnect");
  assert.deepEqual(callsOf(fn)[3]?.socket.data, { by: "late" });
  assert.deepEqual(upstream.elsewhere, []);
});

test("dead letters of a socket that is not here show what they knew, and change it elsewhere", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 1, rooms: true });
  fn.answer = () => ({ status: 500 });
  const lane = upstream.lane("s9", { data: { a: Buffer.of(1) }, rooms: ["red"], version: 5 });
  lane.event("x", [1]);
  lane.event("x", [2]);
  lane.end();
  await until(() => upstream.samples().deadLetters.held === 2, "the dead letters");
  fn.answer = answering((n) => ({ data: { by: n }, rooms: { leave: ["red"] } }));
  await upstream.replayDeadLetters({});
  const [first, second] = callsOf(fn).slice(-2);
  assert.deepEqual(first?.socket.data, { a: { $binary: "AQ==" } });
  assert.deepEqual([first?.socket.version, first?.socket.rooms], [5, ["red"]]);
  assert.deepEqual(second?.socket.data, { a: { $binary: "AQ==" }, by: 1 });
  assert.deepEqual(
    upstream.elsewhere.map(({ id, answer: { data } }) => [id, data]),
    [
      ["s9", { by: 1 }],
      ["s9", { by: 2 }],
    ],
  );
  const [one, two] = upstream.elsewhere;
  assert.ok((one?.order ?? 0) < (two?.order ?? 0));
});

test("calls have an order where the clock stands still or goes back, also after a session's version", async (t) => {
  let wall = 1000;
  const clock = { now: () => performance.now(), wall: () => wall };
  const fn = await startFunction(
    t,
    answering((n) => ({ data: { by: n } })),
  );
  const upstream = testUpstream(t, { url: fn.url }, { clock });
  const lane = upstream.lane("s1", { version: 5_000_000 });
  lane.event("x", [1]);
  wall = 10;
  lane.event("x", [2]);
  lane.event("x", [3]);
  lane.end("gone");
  await until(() => callsOf(fn).length === 4, "all calls");
  assert.deepEqual(callsOf(fn)[3]?.socket.data, { by: 3 });
  assert.equal(callsOf(fn)[3]?.socket.version, 5_000_003);
});

test("rooms and their sizes come where a route asks for them, each attempt with those of then", async (t) => {
  const fn = await startFunction(t);
  const asked: (readonly string[])[] = [];
  const count = (_: string, rooms: readonly string[]) => {
    asked.push(rooms);
    const counts = Object.fromEntries(rooms.map((room) => [room, asked.length]));
    return asked.length === 2 ? counts : Promise.resolve(counts);
  };
  const routes = [
    { event: "both", url: fn.url, rooms: true, presence: true },
    { event: "sizes", url: fn.url, presence: true, batch: true },
    { event: "list", url: fn.url, rooms: true },
  ];
  const upstream = testUpstream(t, { url: fn.url, routes, batchMs: 1 }, { count });
  const lane = upstream.lane("s1", { rooms: ["red", "__proto__"] });
  fn.answer = () => ({ status: fn.received.length === 1 ? 500 : 200 });
  for (const name of ["both", "sizes", "list", "neither"]) {
    lane.event(name, []);
    await until(() => upstream.samples().queued.events === 0, name);
  }
  assert.deepEqual(
    callsOf(fn).map(({ socket, rooms }) => [socket.rooms, rooms && Object.entries(rooms)]),
    [1, 2]
      .map((n) => [
        ["red", "__proto__"],
        [
          ["red", n],
          ["__proto__", n],
        ],
      ])
      .concat([
        [
          undefined as never,
          [
            ["red", 3],
            ["__proto__", 3],
          ],
        ],
        [["red", "__proto__"], undefined as never],
        [undefined as never, undefined as never],
      ]),
  );
});

test("connected calls go to routes that name them, before the first event, and are retried", async (t) => {
  const [fn, other] = [await startFunction(t), await startFunction(t)];
  const routes = [
    { event: "*", url: other.url },
    { event: "connected", url: other.url },
    { namespace: "/n", event: "nothing", url: fn.url, connected: true },
  ];
  const upstream = testUpstream(t, { url: fn.url, calls: ["connected"], routes });
  fn.answer = () => ({ status: fn.received.length === 1 ? 500 : 200, body: { data: { met: 1 } } });
  const lane = upstream.lane("s1", { namespace: "/n" });
  lane.connected(true);
  lane.event("nothing", [1]);
  await until(() => fn.received.length === 3, "the calls");
  const [first, again, event] = fn.received;
  assert.equal(first?.headers["ce-type"], "io.sluice.connected");
  assert.equal(again?.headers["webhook-id"], first?.headers["webhook-id"]);
  assert.deepEqual(again?.json, {
    socket: { id: "s1", namespace: "/n", userId: "user of s1", data: {} },
    recovered: true,
  });
  assert.deepEqual(event?.json.socket.data, { met: 1 });
  upstream.lane("s2").connected(false);
  await until(() => fn.received.length === 4, "upstream.calls");
  assert.equal(fn.received[3]?.json.recovered, false);
  upstream.lane("s3", { namespace: "/other" }).connected(false);
  assert.deepEqual(upstream.samples().refused, {});
  assert.equal(other.received.length, 0);
});

test("the calls of a node that died show what it had written down, and change that", async (t) => {
  const journals = createMemoryJournals();
  const [dying, living] = [journals.open(), journals.open()];
  const down = await startFunction(t, () => ({ status: 503 }));
  const first = testUpstream(t, { url: down.url, retryMs: 60_000 }, { journal: dying });
  for (const [id, version] of [
    ["a", 5],
    ["b", 9_000_000_000_000_000],
    ["c", 5],
  ] as const) {
    const lane = first.lane(id, { data: { shown: id }, version });
    for (const n of [1, 2]) lane.event("x", [n]);
  }
  await until(() => journals.entries.length === 6, "they are written down");

  const fn = await startFunction(
    t,
    answering((n) => ({ data: { by: n } })),
  );
  const revised: unknown[] = [];
  const recalled = { userId: "kept", data: { kept: true }, version: 7, rooms: ["red"] };
  const lost = {
    // Of "c" nothing is known; what "b" shows is later than what was written down.
    recall: async (_: string, keys: readonly string[]) =>
      keys.map((key) => (key === "/,c" ? undefined : recalled)),
    revise: (node: string, { id, data, rooms }: { id: string; data?: unknown; rooms?: unknown }) =>
      void revised.push({ node, id, data, rooms }),
  };
  const second = testUpstream(t, { url: fn.url, rooms: true }, { journal: living, lost });
  dying.takenBy(living);
  await until(() => callsOf(fn).length === 6, "the calls");
  const shown = (id: string) =>
    callsOf(fn).flatMap(({ socket }) => (socket.id === id ? [[socket.data, socket.rooms]] : []));
  assert.deepEqual(shown("a"), [
    [{ kept: true }, ["red"]],
    [{ kept: true, by: 1 }, ["red"]],
  ]);
  assert.deepEqual(shown("b")[0], [{ shown: "b" }, []]);
  assert.deepEqual(shown("c"), [
    [{ shown: "c" }, []],
    [{ shown: "c", by: 1 }, []],
  ]);
  await until(() => second.samples().queued.events === 0, "all answers");
  const ofA = revised.filter((one) => (one as { id: string }).id === "a");
  assert.deepEqual(ofA[1], {
    node: "node-1",
    id: "a",
    data: { kept: true, by: 2 },
    rooms: ["red"],
  });
  assert.deepEqual(second.elsewhere.map(({ id }) => id).sort(), ["a", "a", "b", "b", "c", "c"]);
});

// The rooms of the older answer were joined and left all the same.
test("an answer to a call of a lost node changes no socket that a later one has changed", async (t) => {
  const journals = createMemoryJournals();
  const [dying, living] = [journals.open(), journals.open()];
  const down = await startFunction(t, () => () => {});
  const first = testUpstream(t, { url: down.url }, { journal: dying });
  first.lane("a").event("x", [1]);
  first.lane("b").event("x", [1]);
  await until(() => journals.entries.length === 2, "they are written down");
  const fn = await startFunction(t, () => ({ body: { data: { by: 1 }, rooms: ["late"] } }));
  const second = testUpstream(t, { url: fn.url }, { journal: living });
  const later = (Date.now() + 60_000) * 1000;
  second.lane("a", { version: later });
  second.lane("b", { version: 1 });
  dying.takenBy(living);
  await until(() => second.samples().states.old === 1, "the older answer");
  await until(() => second.samples().queued.events === 0, "all answers");
  assert.deepEqual(
    second.elsewhere.map(({ id }) => id),
    ["b"],
  );
});
