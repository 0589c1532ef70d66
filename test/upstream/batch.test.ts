import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { createHandler } from "../../src/edge/index.ts";
import { createGate, type Received, SECRET, startFunction } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

/** `socket argument` of each event of a batch. */
function namesOf({ json }: Received): string[] {
  return json.map((event: { data: { socket: { id: string }; args: unknown[] } }) => {
    return `${event.data.socket.id} ${event.data.args[0]}`;
  });
}

test("events without ack go out as one signed batch of CloudEvents", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 4, batchMs: 60_000 });
  const lanes = ["a", "b"].map((id) => upstream.lane(id));
  for (const n of [1, 2]) for (const lane of lanes) lane.event("ünï", [n]);
  await until(() => upstream.samples().queued.events === 0, "they are delivered");
  const [call] = fn.received;
  assert.ok(call);
  assert.equal(fn.received.length, 1);
  assert.equal(call.headers["content-type"], "application/cloudevents-batch+json");
  assert.deepEqual(namesOf(call), ["a 1", "b 1", "a 2", "b 2"]);
  new Webhook(SECRET).verify(call.body, {
    "webhook-id": String(call.headers["webhook-id"]),
    "webhook-timestamp": String(call.headers["webhook-timestamp"]),
    "webhook-signature": String(call.headers["webhook-signature"]),
  });
  const events = HTTP.toEvent({ headers: call.headers, body: call.body.toString() });
  assert.ok(Array.isArray(events));
  const parsed = events.filter((event) => event instanceof CloudEvent);
  for (const event of parsed) assert.ok(event.validate());
  assert.deepEqual(new Set(parsed.map(({ id }) => id)).size, 4);
  assert.equal(parsed[0]?.subject, "ünï");
  assert.equal(upstream.samples().batched, 4);
});

test("a batch that is not filled goes out after batchMs, and by bytes before", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMs: 5, batchBytesMax: 3000 });
  const lane = upstream.lane();
  lane.event("x", [1]);
  await until(() => fn.received.length === 1, "the lone event goes out");
  const large = "y".repeat(1000);
  for (const n of [2, 3, 4]) lane.event("x", [n, large]);
  await until(() => upstream.samples().queued.events === 0, "all are delivered");
  const sizes = fn.received.map(({ body }) => body.length);
  assert.ok(Math.max(...sizes) <= 3000, `${sizes}`);
  assert.deepEqual(fn.received.flatMap(namesOf), ["s1 1", "s1 2", "s1 3", "s1 4"]);
  lane.event("x", [5, "y".repeat(5000)]);
  await until(() => upstream.samples().queued.events === 0, "one that has more goes alone");
});

test("a socket's events are never in two requests at once, and acks wait for their turn", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    if (fn.received.length === 1) await gate.passed;
    return {};
  });
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 2, batchMs: 1 });
  const [a, b] = [upstream.lane("a"), upstream.lane("b")];
  for (const n of [1, 2, 3]) a.event("x", [n]);
  const asked = upstream.ask(a, "x", 4);
  a.event("x", [5]);
  a.end("bye");
  b.event("x", [1]);
  await until(() => fn.received.length === 2, "the other socket's batch goes out");
  assert.deepEqual(fn.received.map(namesOf), [["a 1", "a 2"], ["b 1"]]);
  gate.open();
  await asked;
  await until(() => upstream.samples().queued.events === 0, "all are delivered");
  const own = fn.received.flatMap(({ json }) =>
    Array.isArray(json) ? json.map(({ data }) => data) : [json],
  );
  assert.deepEqual(
    own.filter(({ socket }) => socket.id === "a").map(({ args, reason }) => reason ?? args[0]),
    [1, 2, 3, 4, 5, "bye"],
  );
});

test("a failed batch is sent again under its id, then every event is a dead letter", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500 }));
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 2, attemptsMax: 3 });
  for (const n of [1, 2]) upstream.lane(`s${n}`).event("x", [n]);
  await until(() => upstream.samples().queued.events === 0, "it is given up");
  assert.equal(fn.received.length, 3);
  assert.equal(new Set(fn.received.map(({ headers }) => headers["webhook-id"])).size, 1);
  const letters = (await upstream.listDeadLetters({ limit: 5 })).items;
  assert.deepEqual(
    letters.map(({ id, attempts }) => [id, attempts]),
    fn.received[0]?.json.map(({ id }: { id: string }) => [id, 3]),
  );
  fn.answer = () => ({});
  const replayed = await upstream.replayDeadLetters({});
  assert.deepEqual(
    replayed.map(({ outcome }) => outcome),
    ["delivered", "delivered"],
  );
});

test("events a function names as failed go out again alone, in order, with their own ids", async (t) => {
  const fn = await startFunction(t, ({ json }) => {
    if (fn.received.length > 1) return {};
    const [first, second, third, fourth] = json as { id: string }[];
    return {
      body: {
        answers: [{ id: first?.id, commands: [{ do: "emit", event: "done", args: [] }] }],
        failed: [
          { id: second?.id, retry: true },
          { id: third?.id, retry: true },
          { id: fourth?.id, retry: false },
        ],
      },
    };
  });
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 4, batchMs: 1 });
  const lane = upstream.lane();
  for (const n of [1, 2, 3, 4]) lane.event("x", [n]);
  lane.event("x", [5]);
  await until(() => upstream.samples().queued.events === 0, "all are over");
  assert.deepEqual(fn.received.map(namesOf), [
    ["s1 1", "s1 2", "s1 3", "s1 4"],
    ["s1 2", "s1 3", "s1 5"],
  ]);
  const [first, again] = fn.received.map(({ json }) => json.map(({ id }: { id: string }) => id));
  assert.deepEqual(again?.slice(0, 2), first?.slice(1, 3));
  assert.equal(upstream.applied.length, 1);
  assert.equal(upstream.samples().deadLetters.added, 0);
});

// An event was sent up to twice attemptsMax times: one that a function named as failed went into a new
// batch, and a batch counted its own attempts and not those that its events had behind them.
test("an event is sent attemptsMax times at most, in how many batches it may be", async (t) => {
  const sent = new Map<string, number>();
  const fn = await startFunction(t, ({ json }) => {
    const ids = json.map(({ id }: { id: string }) => id) as string[];
    for (const id of ids) sent.set(id, (sent.get(id) ?? 0) + 1);
    // The old one is named as failed once, in an attempt before its last, and meets a new one then.
    if (fn.received.length !== 2) return { status: 500 };
    newer.event("x", [2]);
    return { body: { failed: ids.map((id) => ({ id, retry: true })) } };
  });
  const upstream = testUpstream(t, { url: fn.url, batch: true, attemptsMax: 3, batchMs: 20 });
  const newer = upstream.lane("newer");
  upstream.lane("old").event("x", [1]);
  await until(() => upstream.samples().queued.events === 0 && sent.size === 2, "all are over");
  assert.deepEqual([...sent.values()], [3, 3], "and the newer one no less");
  const { items } = await upstream.listDeadLetters({ limit: 5 });
  assert.deepEqual(
    items.map(({ attempts }) => attempts),
    [3, 3],
  );
});

// One client had a function emit to a room without a name, and all hundred events of its batch were
// dead letters, their commands lost: an answer held the commands of all in one list, read as one.
test("commands that cannot be read cost their own event, not the others of its batch", async (t) => {
  const handler = createHandler({
    secret: SECRET,
    events: { say: ({ args: [room] }, io) => void io.to(String(room)).emit("said", room) },
  });
  const fn = await startFunction(t, async ({ headers, body }) => {
    const given = { method: "POST", headers: headers as Record<string, string> }; // none is a list
    return {
      body: await (
        await handler(new Request("https://fn.example", { ...given, body: `${body}` }))
      ).text(),
    };
  });
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 3, batchMs: 60_000 });
  for (const room of ["tea", "", "tee"]) upstream.lane(`of ${room}`).event("say", [room]);
  await until(() => upstream.samples().queued.events === 0, "all are over");
  assert.equal(fn.received.length, 1);
  const said = upstream.applied.flatMap((one) => ("args" in one ? one.args : []));
  assert.deepEqual(said, ["tea", "tee"]);
  const [letter, ...more] = (await upstream.listDeadLetters({ limit: 5 })).items;
  assert.deepEqual([letter?.socketId, letter?.reason, more], ["of ", "UPSTREAM_BAD_ANSWER", []]);
  assert.match(letter?.detail ?? "", /to\.0/);
});

test("an answer to a batch that names no events for its commands is refused, and says so", async (t) => {
  const fn = await startFunction(t, () => ({ body: { commands: [{ do: "emit", event: "x" }] } }));
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMs: 1 });
  upstream.lane().event("x", []);
  await until(() => upstream.samples().deadLetters.held === 1, "it is kept");
  assert.match((await upstream.listDeadLetters({ limit: 1 })).items[0]?.detail ?? "", /in answers/);
  assert.deepEqual(upstream.applied, []);
});

test("a stop sends off what waits to be filled", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMs: 60_000, drainMs: 5000 });
  upstream.lane().event("x", [1]);
  await upstream.stop();
  assert.deepEqual(fn.received.map(namesOf), [["s1 1"]]);
});

// A stop lost events that it had five seconds for: they came out of a lane after what waited to be filled
// had been sent off, and waited for batchMs, longer than drainMs, in a batch that nobody looked at.
test("what comes to a batch during a stop does not wait for it to be filled", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, ({ json }) => (json.ack ? gate.passed.then(() => ({})) : {}));
  const slow = { batchMs: 60_000, drainMs: 60_000 };
  const upstream = testUpstream(t, { ...slow, url: fn.url, batch: true });
  const lane = upstream.lane();
  const asked = upstream.ask(lane, "x", 1);
  for (const n of [2, 3]) lane.event("x", [n]);
  await until(() => fn.open === 1, "the first is open");
  const stopped = upstream.stop();
  gate.open();
  await Promise.all([asked, stopped]);
  assert.deepEqual(fn.received.slice(1).map(namesOf), [["s1 2", "s1 3"]]);
  assert.equal(upstream.samples().deadLetters.added, 0);
});
