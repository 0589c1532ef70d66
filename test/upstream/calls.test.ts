import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createGate, startFunction } from "../harness/function.ts";
import { createMemoryJournals } from "../harness/memory-journal.ts";
import { until } from "../harness/wait.ts";
import { codeOf, testUpstream } from "./rig.ts";

test("events of a socket are called one at a time, in the order they came", async (t) => {
  const fn = await startFunction(t, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, socketQueueMax: 1000 });
  const lane = upstream.lane();
  for (let n = 0; n < 300; n++)
    assert.equal(lane.event("n", [n], n % 3 ? undefined : () => {}), undefined);
  await until(() => fn.received.length === 300 && fn.open === 0, "all are called");
  assert.deepEqual(
    fn.received.map(({ json }) => json.args[0]),
    Array.from({ length: 300 }, (_, n) => n),
  );
  assert.equal(fn.openMax, 1);
});

test("sockets do not wait for each other, and at most inflightMax calls are open", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, inflightMax: 3 });
  for (let n = 0; n < 10; n++) upstream.lane(`s${n}`).event("e", []);
  await until(() => fn.open === 3, "three are open");
  assert.deepEqual(upstream.samples().origins[0]?.inflight, 3);
  assert.equal(upstream.samples().origins[0]?.waiting, 7);
  gate.open();
  await until(() => fn.received.length === 10, "all are called");
  assert.equal(fn.openMax, 3);
});

test("the answer's commands come before its ack and before the socket's next event", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({
    body: { ack: [json.args[0]], commands: [{ do: "emit", event: `e${json.args[0]}`, args: [] }] },
  }));
  const upstream = testUpstream(t, { url: fn.url });
  const lane = upstream.lane();
  const seen: unknown[] = [];
  const replies = [1, 2].map(async (n) => {
    const reply = await upstream.ask(lane, "x", n);
    seen.push({ reply, applied: upstream.applied.length });
  });
  await Promise.all(replies);
  assert.deepEqual(seen, [
    { reply: { ack: [1] }, applied: 1 },
    { reply: { ack: [2] }, applied: 2 },
  ]);
});

test("an event somebody waits for is sent once, whatever comes of it", async (t) => {
  const outcomes: [number, string][] = [
    [500, "UPSTREAM_FAILED"],
    [503, "UPSTREAM_FAILED"],
    [429, "UPSTREAM_PAUSED"],
    [302, "UPSTREAM_REDIRECTED"],
    [404, "UPSTREAM_REJECTED"],
    [422, "UPSTREAM_REFUSED"],
    [410, "UPSTREAM_GONE"],
  ];
  for (const [status, code] of outcomes) {
    const fn = await startFunction(t, () => ({ status, headers: { location: "/elsewhere" } }));
    const upstream = testUpstream(t, { url: fn.url });
    assert.equal(codeOf(await upstream.ask(upstream.lane(), "x")), code);
    assert.equal(fn.received.length, 1, `${status}`);
    assert.equal(upstream.samples().deadLetters.added, 0);
  }
});

test("an event nobody waits for is sent again with the same id and a timestamp of its own", async (t) => {
  const fn = await startFunction(t, () => ({ status: fn.received.length < 3 ? 500 : 200 }));
  const upstream = testUpstream(t, { url: fn.url });
  upstream.lane().event("x", []);
  await until(() => upstream.samples().queued.events === 0, "it is delivered");
  assert.equal(fn.received.length, 3);
  assert.equal(new Set(fn.received.map(({ headers }) => headers["webhook-id"])).size, 1);
  assert.equal(upstream.samples().retries, 2);
  assert.equal(upstream.samples().deadLetters.added, 0);
});

test("after attemptsMax attempts an event is a dead letter, and the next one goes out", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({ status: json.event === "bad" ? 500 : 200 }));
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 3 });
  const lane = upstream.lane();
  lane.event("bad", ["x"]);
  lane.event("good", []);
  await until(() => upstream.samples().queued.events === 0, "both are over");
  assert.deepEqual(
    fn.received.map(({ json }) => json.event),
    ["bad", "bad", "bad", "good"],
  );
  const { items } = await upstream.listDeadLetters({ limit: 10 });
  assert.equal(items.length, 1);
  assert.equal(items[0]?.attempts, 3);
  assert.equal(items[0]?.reason, "UPSTREAM_FAILED");
  assert.equal(items[0]?.id, fn.received[0]?.headers["webhook-id"]);
});

test("a socket's queue takes socketQueueMax events, refuses the next, and still ends", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, socketQueueMax: 2 });
  const lane = upstream.lane();
  // One is on its way, two wait.
  for (let n = 0; n < 3; n++) assert.equal(lane.event("x", [n]), undefined);
  assert.equal(lane.event("x", [3]), "UPSTREAM_QUEUE_FULL");
  assert.equal(
    lane.event("x", [4], () => assert.fail()),
    "UPSTREAM_QUEUE_FULL",
  );
  assert.equal(upstream.lane("other").event("x", []), undefined);
  lane.end("transport close");
  gate.open();
  await until(() => upstream.samples().queued.events === 0, "all are called");
  const own = fn.received.filter(({ json }) => json.socket.id === "s1");
  assert.deepEqual(
    own.map(({ json }) => json.args?.[0] ?? json.reason),
    [0, 1, 2, "transport close"],
  );
  assert.equal(upstream.samples().refused.UPSTREAM_QUEUE_FULL, 2);
});

test("queueMax events are under way and one more is refused; a disconnect is kept", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, queueMax: 2 });
  const lanes = ["a", "b", "c"].map((id) => upstream.lane(id));
  assert.equal(lanes[0]?.event("x", []), undefined);
  assert.equal(lanes[1]?.event("x", []), undefined);
  assert.equal(lanes[2]?.event("x", []), "UPSTREAM_SATURATED");
  lanes[2]?.end("gone");
  const { items } = await upstream.listDeadLetters({ limit: 10 });
  assert.deepEqual(
    items.map(({ type, reason }) => [type, reason]),
    [["disconnect", "UPSTREAM_SATURATED"]],
  );
  gate.open();
  await until(() => upstream.samples().queued.events === 0, "the others are called");
  assert.equal(lanes[0]?.event("x", []), undefined);
});

test("queueBytesMax bytes may be under way, and not one more", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, queueBytesMax: 65_536 });
  const probe = upstream.lane("p0");
  probe.event("x", [""]);
  const empty = upstream.samples().queued.bytes;
  const rest = 65_536 - 2 * empty;
  assert.equal(upstream.lane("p1").event("x", ["y".repeat(rest + 1)]), "UPSTREAM_SATURATED");
  assert.equal(upstream.lane("p1").event("x", ["y".repeat(rest)]), undefined);
  assert.equal(upstream.samples().queued.bytes, 65_536);
  gate.open();
  await until(() => upstream.samples().queued.bytes === 0, "nothing is kept");
});

test("what waits too long is refused in its time: in the lane, in the line and on the wire", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const upstream = testUpstream(t, { url: fn.url, inflightMax: 1, timeoutMs: 50 });
  const lane = upstream.lane("a");
  const isMade = async () => {
    const replies = await Promise.all([
      upstream.ask(lane, "wire"),
      upstream.ask(lane, "lane"),
      upstream.ask(upstream.lane("b"), "line"),
    ]);
    assert.deepEqual(replies.map(codeOf), Array(3).fill("UPSTREAM_TIMEOUT"));
    assert.equal(upstream.samples().queued.events, 0);
    // Those that came a moment after the first may have that moment left: the next test knows the time.
    return fn.received.some(({ json }) => json.event === "wire");
  };
  await until(isMade, "that the first is called in its time, of which a busy machine may lack");
  fn.answer = () => ({ body: { ack: ["back"] } });
  const again = async () => "ack" in (await upstream.ask(lane, "again"));
  await until(again, "an answer in time, of which a busy machine may lack");
});

// A busy process, whose timers were late, made calls with a millisecond left: the function did what the
// client was told it had not done. What was due stood in the line until its own timer looked.
test("a call whose client has stopped waiting is not made, however late the timers are", async (t) => {
  const gate = createGate();
  let late = 0;
  const fn = await startFunction(t, () => gate.passed.then(() => ({})));
  const clock = { now: () => performance.now() + late, wall: Date.now };
  const upstream = testUpstream(t, { url: fn.url, inflightMax: 1, timeoutMs: 60_000 }, { clock });
  upstream.lane("a").event("x", []);
  const asked = upstream.ask(upstream.lane("b"), "y");
  await until(() => fn.open === 1, "one is open, one waits");
  late = 60_000;
  gate.open();
  assert.equal(codeOf(await asked), "UPSTREAM_TIMEOUT");
  assert.equal(fn.received.length, 1);
  assert.equal(upstream.samples().refused.UPSTREAM_TIMEOUT, 1);
});

test("Retry-After is obeyed: who waits is told at once, the others go out later", async (t) => {
  const fn = await startFunction(t, () =>
    fn.received.length === 1 ? { status: 503, headers: { "retry-after": "1" } } : {},
  );
  const upstream = testUpstream(t, { url: fn.url, retryAfterMsMax: 1000 });
  const lane = upstream.lane("a");
  lane.event("x", []);
  await until(
    () => upstream.samples().calls["event default UPSTREAM_PAUSED"] === 1,
    "it is paused",
  );
  await assert.doesNotReject(async () => {
    assert.equal(codeOf(await upstream.ask(upstream.lane("b"), "y")), "UPSTREAM_PAUSED");
  });
  assert.equal(fn.received.length, 1);
  await until(() => upstream.samples().queued.events === 0, "it is delivered after the pause");
  assert.equal(fn.received.length, 2);
  assert.equal(fn.received[0]?.headers["webhook-id"], fn.received[1]?.headers["webhook-id"]);
});

test("a Retry-After that is neither seconds nor a date is none", async (t) => {
  const later = new Date(Date.now() + 60_000).toUTCString();
  for (const [given, code] of [
    ["0.5", "UPSTREAM_FAILED"],
    ["-1", "UPSTREAM_FAILED"],
    ["2001-01-01", "UPSTREAM_FAILED"],
    [later, "UPSTREAM_PAUSED"],
  ] as const) {
    const fn = await startFunction(t, () => ({ status: 503, headers: { "retry-after": given } }));
    const upstream = testUpstream(t, { url: fn.url, retryForMs: 1 });
    assert.equal(codeOf(await upstream.ask(upstream.lane(), "x")), code, given);
  }
});

test("a function that answers 410 is not called again until its letters are replayed", async (t) => {
  const fn = await startFunction(t, () => ({ status: 410 }));
  const upstream = testUpstream(t, { url: fn.url });
  const lane = upstream.lane();
  lane.event("x", [1]);
  lane.event("x", [2]);
  await until(() => upstream.samples().queued.events === 0, "both are over");
  assert.equal(fn.received.length, 1);
  assert.equal(lane.event("x", [3]), "UPSTREAM_GONE");
  assert.equal(upstream.samples().goneEndpoints, 1);
  fn.answer = () => ({});
  const replayed = await upstream.replayDeadLetters({});
  assert.deepEqual(
    replayed.map(({ outcome }) => outcome),
    ["delivered", "delivered"],
  );
  assert.deepEqual(
    fn.received.map(({ json }) => json.args[0]),
    [1, 1, 2],
  );
  assert.equal(upstream.samples().deadLetters.held, 0);
  assert.equal(lane.event("x", [3]), undefined);
});

// They were refused and lost, also for whoever replayed the letters of the route.
test("that somebody came or left is a dead letter while the function is gone", async (t) => {
  for (const journals of [undefined, createMemoryJournals()]) {
    const fn = await startFunction(t, () => ({ status: 410 }));
    const upstream = testUpstream(
      t,
      { url: fn.url, calls: ["connected", "event", "disconnect"] },
      { journal: journals?.open() },
    );
    const [lane, late] = [upstream.lane(), upstream.lane("s2")];
    await upstream.ask(lane, "x");
    assert.equal(upstream.routes()[0]?.state, "gone");
    late.connected(false);
    let done = 0;
    lane.end("gone", { strikes: "record", done: () => done++ });
    await until(() => upstream.samples().deadLetters.held === 2, "both are kept");
    assert.equal(done, 1);
    assert.equal(fn.received.length, 1);
    assert.deepEqual(
      [journals?.struck, journals?.entries],
      journals ? [["record"], []] : [undefined, undefined],
    );
    const { items } = await upstream.listDeadLetters({ limit: 9 });
    const shown = items.map(({ type, reason, attempts }) => [type, reason, attempts]);
    assert.deepEqual(shown.sort(), [
      ["connected", "UPSTREAM_GONE", 0],
      ["disconnect", "UPSTREAM_GONE", 0],
    ]);
    fn.answer = () => ({});
    assert.equal(upstream.revive(["default"]), 1);
    await upstream.replayDeadLetters({});
    assert.equal(fn.received.length, 3);
    assert.equal(upstream.samples().deadLetters.held, 0);
  }
});

// A function that had answered 410 was called by everything that waited in its origin's line or for
// another attempt: only what came later was looked at.
test("whoever waits for its turn when the 410 comes does not call the function either", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return { status: fn.received.length === 1 ? 500 : 410 };
  });
  const upstream = testUpstream(t, { url: fn.url, inflightMax: 1, retryMs: 60_000 });
  for (const id of ["a", "b", "c"]) upstream.lane(id).event("x", []);
  const asked = upstream.ask(upstream.lane("d"), "x");
  await until(() => fn.open === 1, "one is open, three wait");
  gate.open();
  assert.equal(codeOf(await asked), "UPSTREAM_GONE");
  await until(() => upstream.samples().deadLetters.held >= 2, "b and c are kept");
  // The first one may still wait for another attempt, which a stop makes at once.
  await upstream.stop();
  assert.equal(fn.received.length, 2);
  assert.equal(upstream.samples().deadLetters.held, 3);
  assert.equal(upstream.samples().retries, 0);
});

test("a replay that fails stays a dead letter with its id, and is tried once", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500 }));
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 2 });
  upstream.lane().event("x", []);
  await until(() => upstream.samples().deadLetters.held === 1, "it is given up");
  const [letter] = (await upstream.listDeadLetters({ limit: 1 })).items;
  const id = letter?.id ?? "";
  assert.deepEqual(await upstream.replayDeadLetters({ ids: [id, "evt_none"] }), [
    { id, outcome: "failed", code: "UPSTREAM_FAILED" },
    { id: "evt_none", outcome: "unknown" },
  ]);
  assert.equal(fn.received.length, 3);
  assert.equal((await upstream.listDeadLetters({ limit: 1 })).items[0]?.id, id);
});

test("dead letters are bounded: the oldest goes and is counted", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500 }));
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 1, deadLettersMax: 2 });
  const lane = upstream.lane();
  for (let n = 0; n < 3; n++) lane.event("x", [n]);
  await until(() => upstream.samples().deadLetters.added === 3, "all are given up");
  const page = await upstream.listDeadLetters({ limit: 1 });
  assert.deepEqual(
    page.items.map(({ data }) => (data as { args: unknown[] }).args),
    [[1]],
  );
  const rest = await upstream.listDeadLetters({ limit: 5, after: page.next });
  assert.deepEqual(
    rest.items.map(({ data }) => (data as { args: unknown[] }).args),
    [[2]],
  );
  assert.equal(rest.next, undefined);
  assert.equal(upstream.samples().deadLetters.dropped, 1);
});

test("a function's refusal is no dead letter; its message and data reach who waits", async (t) => {
  const fn = await startFunction(t, () => ({
    status: 422,
    body: { message: "no", data: { bytes: { $binary: "AQI=" } } },
  }));
  const upstream = testUpstream(t, { url: fn.url });
  const lane = upstream.lane();
  const reply = await upstream.ask(lane, "x");
  assert.deepEqual(reply, {
    code: "UPSTREAM_REFUSED",
    message: "no",
    data: { bytes: Buffer.from([1, 2]) },
  });
  lane.event("x", []);
  await until(() => upstream.samples().queued.events === 0, "it is over");
  assert.equal(upstream.samples().deadLetters.added, 0);
  // A key that expired, say: nobody meant to refuse this event.
  fn.answer = () => ({ status: 403 });
  lane.event("x", []);
  await until(() => upstream.samples().queued.events === 0, "it is over too");
  assert.equal(upstream.samples().deadLetters.added, 1);
});

test("bytes travel as $binary, there and back", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({ body: { ack: json.args } }));
  const upstream = testUpstream(t, { url: fn.url });
  const bytes = Buffer.from([0, 255, 7]);
  assert.deepEqual(await upstream.ask(upstream.lane(), "x", { deep: [bytes] }), {
    ack: [{ deep: [bytes] }],
  });
  assert.deepEqual(fn.received[0]?.json.args, [{ deep: [{ $binary: "AP8H" }] }]);
});

test("what has no JSON form is refused, and leaves nothing behind", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url });
  const circle: unknown[] = [];
  circle.push(circle);
  assert.equal(upstream.lane().event("x", [1n]), "UPSTREAM_BAD_ARGS");
  assert.equal(upstream.lane().event("x", circle), "UPSTREAM_BAD_ARGS");
  assert.deepEqual(upstream.samples().queued, { events: 0, bytes: 0, pausedBytes: 0 });
});

test("a stop lets queued events go out for drainMs, and leaves nothing", async (t) => {
  const fn = await startFunction(t, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return { body: { ack: ["ok"] } };
  });
  const upstream = testUpstream(t, { url: fn.url, drainMs: 5000 });
  const lane = upstream.lane();
  const reply = upstream.ask(lane, "x", 1);
  for (let n = 0; n < 20; n++) lane.event("x", [n]);
  lane.end("server shutting down");
  await upstream.stop();
  assert.deepEqual(await reply, { ack: ["ok"] });
  assert.equal(fn.received.length, 22);
  assert.equal(upstream.lane("late").event("x", []), "UPSTREAM_STOPPING");
});

// A client that a function let in during a stop stayed there for ever: the door was closed to its
// disconnect, and the stop was over before the connect call's answer had been told.
test("who is let in during a stop also leaves, while there is time", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, () => gate.passed.then(() => ({})));
  const upstream = testUpstream(t, { url: fn.url, drainMs: 60_000 });
  const lane = upstream.lane();
  const about = { headers: {}, query: {}, auth: {}, address: "", secure: false, issued: 0 };
  const entered = lane.connect({ ...about, recovered: false });
  await until(() => fn.open === 1, "the connect call is open");
  const stopped = upstream.stop();
  gate.open();
  await entered;
  lane.end("transport close");
  await stopped;
  assert.deepEqual(
    fn.received.map(({ headers }) => headers["ce-type"]),
    ["io.sluice.connect", "io.sluice.disconnect"],
  );
  assert.deepEqual(upstream.samples().queued, { events: 0, bytes: 0, pausedBytes: 0 });
});

test("a stop does not wait for what hangs: whoever waits is told, the rest are dead letters", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const upstream = testUpstream(t, { url: fn.url, drainMs: 0 });
  const lane = upstream.lane();
  const replies = [upstream.ask(lane, "a"), upstream.ask(lane, "b")];
  lane.event("c", []);
  upstream.lane("other").event("d", []);
  await until(() => fn.open === 2, "two calls hang");
  await upstream.stop();
  assert.deepEqual((await Promise.all(replies)).map(codeOf), [
    "UPSTREAM_STOPPING",
    "UPSTREAM_STOPPING",
  ]);
  assert.deepEqual(
    (await upstream.listDeadLetters({ limit: 5 })).items.map(({ reason }) => reason),
    ["UPSTREAM_STOPPING", "UPSTREAM_STOPPING"],
  );
  assert.equal(upstream.samples().queued.events, 0);
});

// Behind an event that is tried again, acked events timed out one by one and their bodies stayed:
// the queue let the next ones in, so a dead function grew the gateway by all its clients asked.
test("what timed out behind a call that is tried again is forgotten at once", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void; // what the flag puts there
  const fn = await startFunction(t, () => ({ status: 500 }));
  const slow = { retryMs: 60_000, retryMsMax: 60_000, attemptsMax: 100 };
  const upstream = testUpstream(t, { url: fn.url, timeoutMs: 50, socketQueueMax: 10, ...slow });
  const lane = upstream.lane();
  lane.event("told", []);
  await until(() => Object.keys(upstream.samples().calls).length > 0, "it is tried");
  const held: WeakRef<object>[] = [];
  let timedOut = 0;
  const ask = (k: number) => {
    const answer = () => void timedOut++;
    held.push(new WeakRef(answer));
    assert.equal(lane.event("asked", [k], answer), undefined);
  };
  for (let n = 0; n < 3; n++) {
    for (let k = 0; k < 10; k++) ask(k);
    await until(() => timedOut === 10 * (n + 1), "they time out");
  }
  await until(() => {
    collect();
    return held.every((one) => one.deref() === undefined);
  }, "nothing is left of them");
});
