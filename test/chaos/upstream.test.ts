import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createGate, SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";
import { codeOf, testUpstream } from "../upstream/rig.ts";

/** Answers that a function must not be able to hurt the gateway with, and what each is called. */
const BAD: readonly [name: string, answer: (response: ServerResponse) => void, code: string][] = [
  [
    "cut in the middle of its body",
    (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => response.destroy());
    },
    "UPSTREAM_UNREACHABLE",
  ],
  ["cut before its head", (response) => response.destroy(), "UPSTREAM_UNREACHABLE"],
  ["not HTTP", (response) => void response.socket?.end("hello\r\n\r\n"), "UPSTREAM_UNREACHABLE"],
  [
    "larger than it may be, by its own word",
    (response) => void response.writeHead(200, { "content-length": "1000000000" }).write("x"),
    "UPSTREAM_TOO_LARGE",
  ],
  [
    "larger than it may be, without saying so",
    (response) => {
      const chunk = Buffer.alloc(65_536);
      // To write on after an error would keep the event loop from seeing that the client has gone.
      const write = (error?: Error | null): void => {
        if (!error && !response.destroyed) response.write(chunk, write);
      };
      response.writeHead(200);
      write();
    },
    "UPSTREAM_TOO_LARGE",
  ],
  [
    "a compression bomb",
    (response) => {
      const bomb = gzipSync(Buffer.alloc(10_000_000));
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    },
    "UPSTREAM_TOO_LARGE",
  ],
  [
    "said to be compressed and is not",
    (response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end('{"ack":[1]}');
    },
    "UPSTREAM_BAD_ANSWER",
  ],
  [
    "compressed in a way that is not known",
    (response) => {
      response.writeHead(200, { "content-encoding": "zstd" }).end('{"ack":[1]}');
    },
    "UPSTREAM_BAD_ANSWER",
  ],
  ["not JSON", (response) => void response.end("<html>"), "UPSTREAM_BAD_ANSWER"],
  ["a list", (response) => void response.end("[]"), "UPSTREAM_BAD_ANSWER"],
  ["an ack that is none", (response) => void response.end('{"ack":1}'), "UPSTREAM_BAD_ANSWER"],
  [
    "a poisoned ack",
    (response) => void response.end('{"ack":[{"__proto__":{"x":1}}]}'),
    "UPSTREAM_BAD_ANSWER",
  ],
  [
    "nested without end",
    (response) => void response.end(`{"ack":${"[".repeat(50_000)}${"]".repeat(50_000)}}`),
    "UPSTREAM_BAD_ANSWER",
  ],
  [
    "a command that is none among good ones",
    (response) =>
      void response.end('{"commands":[{"do":"emit","event":"x"},{"do":"emit","event":""}]}'),
    "UPSTREAM_BAD_ANSWER",
  ],
  [
    "a command whose answer nobody gets",
    (response) => void response.end('{"commands":[{"do":"fetchSockets"}]}'),
    "UPSTREAM_BAD_ANSWER",
  ],
  [
    "a redirect to another function",
    (response) => void response.writeHead(307, { location: "/other" }).end(),
    "UPSTREAM_REDIRECTED",
  ],
  ["nothing, for ever", () => {}, "UPSTREAM_TIMEOUT"],
];

// Answers that nobody could read were counted as `answered`, and so the alert on failing functions slept
// through a function that sends a page of HTML: they were counted before they were read.
for (const [name, answer, code] of BAD) {
  test(`an answer that is ${name}: named, once, and the next event is well`, async (t) => {
    const fn = await startFunction(t, () => answer);
    // Where the time is not what it is about there is enough for a machine that is busy.
    const timeoutMs = code === "UPSTREAM_TIMEOUT" ? 1000 : 30_000;
    const upstream = testUpstream(t, { url: fn.url, answerBytesMax: 200_000, timeoutMs });
    const lane = upstream.lane();
    assert.equal(codeOf(await upstream.ask(lane, "x")), code);
    assert.equal(fn.received.length, 1);
    assert.deepEqual(upstream.samples().calls, { [`event default ${code}`]: 1 });
    assert.deepEqual(upstream.applied, [], "nothing of a bad answer is carried out");
    fn.answer = () => ({ body: { ack: ["well"] } });
    assert.deepEqual(await upstream.ask(lane, "y"), { ack: ["well"] });
    assert.deepEqual(
      fn.received.map(({ path }) => path),
      ["/", "/"],
    );
  });
}

test("unread answers to connects, to batches and to what nobody waits for are counted as such", async (t) => {
  const fn = await startFunction(t, () => ({ body: "<html>" }));
  const routes = [{ namespace: "/", event: "batch", url: fn.url, batch: true }];
  const upstream = testUpstream(t, { url: fn.url, routes, batchMs: 1 });
  const lane = upstream.lane();
  const about = { headers: {}, query: {}, auth: {}, address: "", secure: false, issued: 0 };
  await assert.rejects(lane.connect({ ...about, recovered: false }));
  for (const name of ["batch", "alone"]) lane.event(name, []);
  lane.end("gone");
  await until(() => upstream.samples().queued.events === 0, "all are over");
  const kinds = ["connect default", "batch batch", "event default", "disconnect default"];
  const counted = Object.fromEntries(kinds.map((kind) => [`${kind} UPSTREAM_BAD_ANSWER`, 1]));
  assert.deepEqual(upstream.samples().calls, counted);
});

test("the largest answer that is allowed is read, one byte more is not", async (t) => {
  const json = (bytes: number) => JSON.stringify({ ack: ["x".repeat(bytes - 12)] }); // 12 bytes around it
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, answerBytesMax: 1000 });
  fn.answer = () => ({ body: json(1000) });
  assert.equal(json(1000).length, 1000);
  assert.ok("ack" in (await upstream.ask(upstream.lane(), "x")));
  fn.answer = () => ({ body: json(1001) });
  assert.equal(codeOf(await upstream.ask(upstream.lane(), "x")), "UPSTREAM_TOO_LARGE");
});

test("a function that is down opens its breaker: who waits is told at once, others' origins are well", async (t) => {
  const down = await startFunction(t, () => ({ status: 500 }));
  const well = await startFunction(t, () => ({ body: { ack: ["well"] } }));
  const upstream = testUpstream(t, {
    url: well.url,
    routes: [{ namespace: "/", event: "down", url: down.url }],
    breakerCallsMin: 3,
    // Longer than a busy machine may take from its opening to the look at its state.
    breakerOpenMs: 3000,
  });
  for (let n = 0; n < 3; n++) {
    assert.equal(codeOf(await upstream.ask(upstream.lane(`d${n}`), "down")), "UPSTREAM_FAILED");
  }
  assert.equal(codeOf(await upstream.ask(upstream.lane("d"), "down")), "UPSTREAM_OPEN");
  assert.equal(down.received.length, 3, "nobody called it");
  assert.deepEqual(await upstream.ask(upstream.lane("w"), "up"), { ack: ["well"] });
  const states = () => upstream.samples().origins.map(({ breaker }) => breaker);
  assert.deepEqual(states(), ["open", "closed"]);
  // Nobody waits for this one, so it does; when the time has come, it is the probe.
  down.answer = () => ({});
  upstream.lane("d").event("down", []);
  await until(() => states()[0] === "closed", "the probe closes it");
  assert.equal(down.received.length, 4);
  assert.equal(upstream.samples().deadLetters.added, 0);
});

// A client that sent much to a function that echoes opened the breaker for everyone: its answers were
// too large, which counted as a failure of the function.
test("a client whose answers are too large keeps nobody else from the function", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({ body: { ack: json.args } }));
  const upstream = testUpstream(t, { url: fn.url, answerBytesMax: 1000, breakerCallsMin: 3 });
  for (let n = 0; n < 5; n++) {
    const answer = await upstream.ask(upstream.lane("a"), "echo", "x".repeat(1000));
    assert.equal(codeOf(answer), "UPSTREAM_TOO_LARGE");
  }
  assert.deepEqual(await upstream.ask(upstream.lane("b"), "echo", "y"), { ack: ["y"] });
});

test("whoever waits in the line of an origin is told when its breaker opens", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async () => {
    await gate.passed;
    return { status: 500 };
  });
  const upstream = testUpstream(t, {
    url: fn.url,
    inflightMax: 2,
    breakerCallsMin: 1,
    breakerOpenMs: 60_000,
  });
  const replies = Array.from({ length: 10 }, (_, n) => upstream.ask(upstream.lane(`s${n}`), "x"));
  await until(() => fn.open === 2, "two are open, eight wait");
  gate.open();
  const codes = (await Promise.all(replies)).map(codeOf);
  assert.deepEqual(codes.slice(0, 2), ["UPSTREAM_FAILED", "UPSTREAM_FAILED"]);
  assert.deepEqual(new Set(codes.slice(2)), new Set(["UPSTREAM_OPEN"]));
  assert.equal(fn.received.length, 2);
});

test("a function that flaps gets every event at least once, each in its socket's order", async (t) => {
  let turn = 0;
  const done = new Map<string, number[]>();
  const ids = new Map<string, Set<unknown>>();
  const fn = await startFunction(t, ({ json, headers }) => {
    const key = `${json.socket.id} ${json.args[0]}`;
    ids.set(key, (ids.get(key) ?? new Set()).add(headers["webhook-id"]));
    turn++;
    if (turn % 3 === 0) return { status: 500 };
    const list = done.get(json.socket.id) ?? [];
    done.set(json.socket.id, [...list, json.args[0]]);
    // It worked, and nobody hears of it.
    if (turn % 5 === 0) return (response) => response.destroy();
    return {};
  });
  const upstream = testUpstream(t, {
    url: fn.url,
    attemptsMax: 50,
    breakerPercent: 100,
    retryBudgetPercent: 1000,
  });
  for (let s = 0; s < 5; s++) {
    const lane = upstream.lane(`s${s}`);
    for (let n = 0; n < 20; n++) lane.event("x", [n]);
  }
  await until(() => upstream.samples().queued.events === 0, "all are delivered");
  assert.equal(upstream.samples().deadLetters.added, 0);
  for (const list of done.values()) {
    const firsts = [...new Set(list)];
    assert.deepEqual(
      firsts,
      Array.from({ length: 20 }, (_, n) => n),
    );
    assert.deepEqual(
      list,
      [...list].sort((a, b) => a - b),
      "a repeat follows its own event",
    );
  }
  assert.equal(done.size, 5);
  for (const [key, seen] of ids) assert.equal(seen.size, 1, key);
  assert.equal(ids.size, 100);
});

test("a function that dies and comes back loses nothing that nobody waited for", async (t) => {
  const dead = await startFunction(t);
  const { port } = new URL(dead.url);
  await dead.close();
  const upstream = testUpstream(t, {
    url: dead.url,
    attemptsMax: 100,
    retryMsMax: 20,
    breakerOpenMs: 20,
    breakerCallsMin: 2,
    retryBudgetPercent: 1000,
  });
  const lane = upstream.lane();
  for (let n = 0; n < 10; n++) lane.event("x", [n]);
  const failed = () => upstream.samples().calls["event default UPSTREAM_UNREACHABLE"] ?? 0;
  await until(() => failed() >= 3, "it cannot be reached");
  const back = await startFunction(t, () => ({}), Number(port));
  await until(() => upstream.samples().queued.events === 0, "all are delivered");
  assert.deepEqual(
    back.received.map(({ json }) => json.args[0]),
    Array.from({ length: 10 }, (_, n) => n),
  );
});

test("a flood against a dead function stays within its bounds, and every event is accounted for", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const bounds = { socketQueueMax: 10, queueMax: 1000, queueBytesMax: 1_000_000 };
  const upstream = testUpstream(t, { ...bounds, url: fn.url, inflightMax: 4, deadLettersMax: 50 });
  let taken = 0;
  const refused: Record<string, number> = {};
  for (let s = 0; s < 500; s++) {
    const lane = upstream.lane(`s${s}`);
    for (let n = 0; n < 20; n++) {
      const code = lane.event("x", ["y".repeat(900)]);
      if (code === undefined) taken++;
      else refused[code] = (refused[code] ?? 0) + 1;
    }
    lane.end("gone");
    const { events, bytes } = upstream.samples().queued;
    assert.ok(events <= 1000 && bytes <= 1_000_000, `${events} events, ${bytes} bytes`);
  }
  const { refused: counted, queued } = upstream.samples();
  assert.equal(taken + Object.values(refused).reduce((a, b) => a + b, 0), 10_000);
  assert.equal(counted.UPSTREAM_QUEUE_FULL, refused.UPSTREAM_QUEUE_FULL);
  assert.ok(queued.events >= taken);
  await upstream.stop();
  const { held, added, dropped } = upstream.samples().deadLetters;
  assert.equal(held, 50);
  assert.equal(added, taken + 500, "every event that was taken, and every disconnect");
  assert.equal(dropped, added - 50);
  assert.deepEqual(upstream.samples().queued, { events: 0, bytes: 0, pausedBytes: 0 });
});

test("clients of a function that hangs do not slow those of another", async (t) => {
  const hung = await startFunction(t, ({ json }) => (json.socket.handshake ? {} : () => {}));
  const well = await startFunction(t, () => ({ body: { ack: ["well"] } }));
  const gateway = await testGateway(t, {
    upstream: {
      secrets: [SECRET],
      inflightMax: 2,
      drainMs: 0,
      routes: [
        { namespace: "/hung", event: "*", url: hung.url },
        { namespace: "/", event: "*", url: well.url },
      ],
    },
  });
  const stuck = await gateway.connected({ namespace: "/hung" });
  for (let n = 0; n < 50; n++) stuck.emit("x", n);
  await until(() => hung.open === 1, "one call hangs");
  const client = await gateway.connected();
  for (let n = 0; n < 20; n++) assert.equal(await client.emitWithAck("x"), "well");
  assert.equal(hung.open, 1);
});
