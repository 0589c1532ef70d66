import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { readCommand } from "../../src/core/commands.ts";
import {
  type BatchAnswer,
  createHandler,
  Refusal,
  VerifyError,
  verify,
} from "../../src/edge/index.ts";
import { createSigner } from "../../src/upstream/request.ts";
import { SECRET } from "../harness/function.ts";
import { call, event, SOCKET, TYPES } from "./rig.ts";

interface Listen {
  echo: (bytes: Uint8Array, done: (back: Uint8Array) => void) => void;
  quiet: (text: string) => void;
  refuse: () => void;
  fail: () => void;
}

interface Emit {
  news: (text: string, n: number) => void;
}

const thrown: unknown[] = [];
const handler = createHandler<Listen, Emit>({
  secret: SECRET,
  failed: (error) => thrown.push(error),
  connect({ handshake, socket }, io) {
    if (handshake.auth === null) throw new Refusal("no auth", { code: 7 });
    io.in(socket.id).socketsJoin("late");
    return { userId: "u", rooms: ["a"] };
  },
  events: {
    echo: ({ args: [bytes] }) => [bytes],
    quiet({ args: [text] }, io) {
      io.to("a").except(["b", "c"]).volatile.emit("news", text, 1);
      io.of("/x").in("r").disconnectSockets(true);
      // @ts-expect-error: the event's second argument is a number.
      io.emit("news", text, "1");
    },
    refuse() {
      throw new Refusal("no", { max: 1 });
    },
    fail() {
      throw new Error("secret words");
    },
  },
  disconnect({ socket, reason }, io) {
    io.emit("news", `${socket.id} ${reason}`, 0);
  },
});

test("an event's bytes come as Uint8Array, and its answer carries them back", async () => {
  const response = await handler(call(event("echo", [{ $binary: "AP8=" }])));
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ack: [{ $binary: "AP8=" }] });
});

// One client emitted { $binary: "!" } and every call with it was a 500, its whole batch too: twenty of
// them opened the breaker for everyone. Reviving bytes threw for what is no base64.
test("what a client makes look like bytes is data, alone and among the events of a batch", async () => {
  const odd = [{ $binary: "!" }, { deep: [{ $binary: "=" }] }, { $binary: "aGk" }];
  const echo = createHandler({ secret: SECRET, events: { echo: ({ args }) => [...args] } });
  const alone = await echo(call(event("echo", odd)));
  assert.equal(alone.status, 200);
  const [first, { deep: [below] = [] } = {}, third] = odd;
  const escaped = [{ $escape: first }, { deep: [{ $escape: below }] }, { $escape: third }];
  assert.deepEqual(await alone.json(), { ack: escaped });
  const batch = [{ id: "e1", type: TYPES.event, data: event("echo", odd, false) }];
  const headers = { "content-type": "application/cloudevents-batch+json" };
  assert.deepEqual(await (await echo(call(batch, { headers }))).json(), {});
});

test("io inside a handler writes an empty list as it is: nobody, not everyone", async () => {
  const empty = createHandler({
    secret: SECRET,
    events: {
      find(_context, io) {
        io.to([]).emit("found");
        io.in([]).disconnectSockets();
      },
    },
  });
  assert.deepEqual(await (await empty(call(event("find")))).json(), {
    commands: [
      { do: "emit", to: [], event: "found", args: [] },
      { do: "disconnectSockets", in: [], close: false },
    ],
  });
});

test("handlers of all kinds say data and rooms, and acks beside them where one is wanted", async () => {
  const state = createHandler<{ say: (text: string, done: (n: number) => void) => void }>({
    secret: SECRET,
    connect: () => ({ userId: "u", data: { seen: 0 }, rooms: ["a"] }),
    connected({ recovered, rooms }, io) {
      io.emit("in", recovered, rooms);
      return { data: { here: true } };
    },
    events: {
      say({ args: [text], ack }) {
        if (text === "list") return [1];
        return { ...(text === "all" && { ack: [2] }), data: { ack }, rooms: { leave: ["a"] } };
      },
    },
    disconnect: () => ({ data: { gone: true } }),
  });
  const about = { socket: SOCKET, recovered: true, rooms: { a: 2 } };
  const connected = await state(call(about, { type: "io.sluice.connected" }));
  assert.deepEqual(await connected.json(), {
    data: { here: true },
    commands: [{ do: "emit", event: "in", args: [true, { a: 2 }] }],
  });
  const say = async (text: string, ack: boolean) =>
    (await state(call(event("say", [text], ack)))).json();
  assert.deepEqual(await say("list", true), { ack: [1] });
  const rooms = { leave: ["a"] };
  assert.deepEqual(await say("all", true), { ack: [2], data: { ack: true }, rooms });
  assert.deepEqual(await say("all", false), { data: { ack: false }, rooms });
  assert.deepEqual(await say("state", true), { data: { ack: true }, rooms });
  assert.equal((await state(call(event("say", ["list"], false)))).status, 204);
  const gone = await state(call({ socket: SOCKET, reason: "bye" }, { type: TYPES.disconnect }));
  assert.deepEqual(await gone.json(), { data: { gone: true } });
  const batch = ["all", "list"].map((text) => ({
    ...{ id: text, type: TYPES.event, data: event("say", [text], false) },
  }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const { answers } = (await (await state(call(batch, { headers }))).json()) as BatchAnswer;
  assert.deepEqual(answers, [{ id: "all", data: { ack: false }, rooms }]);
});

test("what a handler returns by mistake fails the call, and says what is wrong", async () => {
  const failures: string[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand over.
  const returning = (value: any) =>
    createHandler({
      secret: SECRET,
      failed: (error) => failures.push(String(error)),
      events: { say: () => value },
      connect: () => value,
      disconnect: () => value,
    });
  // Seen: `connect: () => false` let everyone in, as an answer that says nothing.
  const comes = { socket: { ...SOCKET, handshake: {} } };
  for (const value of [{ delivered: true }, "ok", 5, false]) {
    assert.equal((await returning(value)(call(event("say")))).status, 500);
    assert.equal((await returning(value)(call(comes, { type: TYPES.connect }))).status, 500);
  }
  assert.match(failures[0] ?? "", /a handler returned delivered, which no answer has/);
  assert.match(failures[2] ?? "", /a handler returned string, which no answer has/);
  // Where nobody waits, a value that says nothing is nothing.
  const gone = { socket: SOCKET, reason: "bye" };
  for (const value of ["ok", 5, false, null, undefined]) {
    assert.equal((await returning(value)(call(event("say", [], false)))).status, 204);
    assert.equal((await returning(value)(call(gone, { type: TYPES.disconnect }))).status, 204);
  }
});

test("handlers get the call's trace context, from its headers or of its event in a batch", async () => {
  const traces: unknown[] = [];
  const tracing = createHandler({
    secret: SECRET,
    events: { x: ({ traceparent, tracestate }) => void traces.push([traceparent, tracestate]) },
  });
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const later = `01-${"a".repeat(32)}-${"b".repeat(16)}-01-more`;
  const body = event("x", [], false);
  await tracing(call(body, { headers: { traceparent, tracestate: "v=1" } }));
  await tracing(call(body, { headers: { traceparent: later } }));
  for (const odd of ["", "00-x", `00-${"A".repeat(32)}-${"b".repeat(16)}-01`]) {
    await tracing(call(body, { headers: { traceparent: odd, tracestate: "v=1" } }));
  }
  await tracing(call(body));
  const headers = { "content-type": "application/cloudevents-batch+json", traceparent: later };
  const batch = [
    { id: "e1", type: TYPES.event, data: body, traceparent, tracestate: "v=2" },
    { id: "e2", type: TYPES.event, data: body, traceparent: 5 },
  ];
  await tracing(call(batch, { headers }));
  assert.deepEqual(traces, [
    [traceparent, "v=1"],
    [later, undefined],
    ...Array.from({ length: 4 }, () => [undefined, undefined]),
    [traceparent, "v=2"],
    [undefined, undefined],
  ]);
});

test("io delays commands, names them by a key and cancels them, wherever the chain says so", async () => {
  const later = createHandler({
    secret: SECRET,
    events: {
      x(_context, io) {
        io.after(5000).to("a").emit("one");
        io.to("a").except("b").after(5000, { key: "k" }).emit("two", 2);
        io.of("/x").after(1.2).to([]).volatile.emit("three");
        io.after(-3).in("a").socketsJoin("b");
        io.in([]).except([]).after(1).disconnectSockets();
        io.after(1).of("/x").serverSideEmit("four");
        io.of("/x").serverSideEmit("five");
        io.of("/x").cancel("k");
        io.cancel("k");
      },
    },
  });
  const { commands } = (await (await later(call(event("x")))).json()) as { commands: unknown[] };
  const emit = { do: "emit", args: [] };
  assert.deepEqual(commands, [
    { ...emit, to: ["a"], afterMs: 5000, event: "one" },
    { ...emit, to: ["a"], except: ["b"], afterMs: 5000, key: "k", event: "two", args: [2] },
    { ...emit, namespace: "/x", to: [], afterMs: 2, event: "three", volatile: true },
    { do: "socketsJoin", in: ["a"], afterMs: 1, rooms: ["b"] },
    { do: "disconnectSockets", in: [], except: [], afterMs: 1, close: false },
    { do: "serverSideEmit", namespace: "/x", afterMs: 1, event: "four", args: [] },
    { do: "serverSideEmit", namespace: "/x", event: "five", args: [] },
    { do: "cancel", namespace: "/x", key: "k" },
    { do: "cancel", key: "k" },
  ]);
  assert.deepEqual(
    commands.map((command) => readCommand(command)),
    commands,
    "the gateway takes them",
  );
});

test("io inside a handler rides in the answer, in the order of its calls", async () => {
  const response = await handler(call(event("quiet", ["hi"], false)));
  const args = ["hi", 1];
  assert.deepEqual(await response.json(), {
    commands: [
      { do: "emit", to: ["a"], except: ["b", "c"], event: "news", args, volatile: true },
      { do: "disconnectSockets", namespace: "/x", in: ["r"], close: true },
      { do: "emit", event: "news", args: ["hi", "1"] },
    ],
  });
});

test("connects are answered with who comes in, or refused with 403", async () => {
  const connect = (auth: unknown) =>
    call({ socket: { ...SOCKET, handshake: { auth } } }, { type: TYPES.connect });
  const answer = await handler(connect({ token: 1 }));
  assert.deepEqual(await answer.json(), {
    userId: "u",
    rooms: ["a"],
    commands: [{ do: "socketsJoin", in: ["s1"], rooms: ["late"] }],
  });
  const refused = await handler(connect(null));
  assert.equal(refused.status, 403);
  assert.deepEqual(await refused.json(), { message: "no auth", data: { code: 7 } });
});

test("a disconnect is handled, and what nobody handles is answered with nothing", async () => {
  const gone = call({ socket: SOCKET, reason: "bye" }, { type: "io.sluice.disconnect" });
  const { commands } = (await (await handler(gone)).json()) as { commands: { args: unknown[] }[] };
  assert.deepEqual(commands[0]?.args, ["s1 bye", 0]);
  assert.equal((await handler(call(event("unknown", [], false)))).status, 204);
  assert.equal((await handler(call(event("toString", [], false)))).status, 204);
  assert.equal((await handler(call(event("unknown")))).status, 422);
});

test("a refusal is 422 and final; anything else thrown is 500, and its words stay inside", async () => {
  const refused = await handler(call(event("refuse")));
  assert.equal(refused.status, 422);
  assert.deepEqual(await refused.json(), { message: "no", data: { max: 1 } });
  const failed = await handler(call(event("fail")));
  assert.equal(failed.status, 500);
  assert.ok(!(await failed.text()).includes("secret words"));
  assert.equal((thrown.pop() as Error).message, "secret words");
});

// Seen: a function without `failed` answered 500, and nothing anywhere said why.
test("what a handler throws is told to the runtime's own log, unless the function takes it", async (t) => {
  const log = t.mock.method(console, "error", () => {});
  const error = new Error("no table");
  const fail = () => {
    throw error;
  };
  const silent = createHandler({ secret: SECRET, events: { fail } });
  assert.equal((await silent(call(event("fail")))).status, 500);
  const batch = [{ id: "e1", type: TYPES.event, data: event("fail", [], false) }];
  const headers = { "content-type": "application/cloudevents-batch+json" };
  await silent(call(batch, { headers }));
  const taking = createHandler({ secret: SECRET, events: { fail }, failed: () => {} });
  await taking(call(event("fail")));
  assert.deepEqual(
    log.mock.calls.map((one) => one.arguments),
    [[error], [error]],
  );
});

test("a call that is not signed with a secret, of now and of its body is answered with 400", async () => {
  const other = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
  const body = event("quiet", ["x"], false);
  const bad: Request[] = [
    call(body, { secret: other }),
    call(body, { at: Date.now() - 301_000 }),
    call(body, { at: Date.now() + 302_000 }),
    call(body, { headers: { "webhook-id": "evt_2", "ce-id": "evt_2" } }),
    call(body, { headers: { "webhook-timestamp": "soon" } }),
    call(body, { headers: { "webhook-signature": "" } }),
    call(body, { headers: { "webhook-signature": "v1,not base64! v2,AAAA" } }),
    new Request("https://fn.example", { method: "POST", body: JSON.stringify(body) }),
  ];
  for (const [index, request] of bad.entries()) {
    assert.equal((await handler(request)).status, 400, `${index}`);
  }
  assert.equal((await handler(call(body, { at: Date.now() - 298_000 }))).status, 200);
});

test("unsigned headers cannot turn one signed call into another", async () => {
  const body = event("quiet", ["x"], false);
  assert.equal((await handler(call(body, { type: TYPES.connect }))).status, 400);
  assert.equal((await handler(call(body, { headers: { "ce-id": "evt_9" } }))).status, 400);
  const batch = { "content-type": "application/cloudevents-batch+json" };
  assert.equal((await handler(call(body, { headers: batch }))).status, 400);
});

test("what is no call is answered by its status, and leaves the function alive", async () => {
  assert.equal((await handler(new Request("https://fn.example"))).status, 405);
  for (const body of ["", "nope", "[]", "null", '{"socket":1}']) {
    assert.equal((await handler(call(body))).status, 400, body);
  }
  const small = createHandler({ secret: SECRET, bodyBytesMax: 200 });
  const exact = JSON.stringify(event("x", [], false)).padEnd(200, " ");
  assert.equal((await small(call(exact))).status, 204);
  assert.equal((await small(call(`${exact} `))).status, 413);
});

test("a batch is handled in order; after a failure its socket's events wait, others go on", async () => {
  const one = (id: string, name: string, socketId: string) => ({
    ...{ specversion: "1.0", id, type: TYPES.event, source: "/" },
    data: { ...event(name, ["x"], false), socket: { ...SOCKET, id: socketId } },
  });
  const batch = [
    one("e1", "quiet", "a"),
    one("e2", "fail", "a"),
    one("e3", "quiet", "a"),
    one("e4", "refuse", "b"),
    one("e5", "quiet", "b"),
  ];
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const response = await handler(call(batch, { headers }));
  const { failed, answers } = (await response.json()) as BatchAnswer;
  assert.deepEqual(failed, [
    { id: "e2", retry: true },
    { id: "e3", retry: true },
    { id: "e4", retry: false },
  ]);
  assert.deepEqual(
    answers?.map(({ id, commands }) => [id, commands?.length]),
    [
      ["e1", 3],
      ["e5", 3],
    ],
  );
});

// A handler that emitted a bigint made the whole batch a 500, and the gateway sent all of it again, five
// times: the answer was written at once, when every event had been handled.
test("in a batch, commands that cannot be written fail their own event, not the others", async () => {
  const failures: unknown[] = [];
  let handled = 0;
  const handler = createHandler({
    secret: SECRET,
    failed: (error) => failures.push(error),
    events: {
      count({ args: [n] }, io) {
        handled++;
        io.emit("counted", n === "big" ? 1n : n);
      },
    },
  });
  const batch = ["1", "big", "2"].map((n) => ({
    ...{ id: `e${n}`, type: TYPES.event },
    data: { ...event("count", [n], false), socket: { ...SOCKET, id: `s${n}` } },
  }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const response = await handler(call(batch, { headers }));
  assert.equal(response.status, 200);
  const { answers, failed } = (await response.json()) as BatchAnswer;
  assert.deepEqual(
    answers?.map(({ id }) => id),
    ["e1", "e2"],
  );
  assert.deepEqual(failed, [{ id: "ebig", retry: true }]);
  assert.equal(handled, 3);
  assert.match(String(failures), /BigInt/);
});

test("a repeated id is answered with nothing done, when the function remembers ids", async () => {
  const seen = new Set<string>();
  let calls = 0;
  const remembering = createHandler({
    secret: SECRET,
    isRepeated(id) {
      const known = seen.has(id);
      seen.add(id);
      return known;
    },
    events: {
      x: () => {
        calls++;
      },
    },
  });
  for (let n = 0; n < 2; n++) await remembering(call(event("x", [], false)));
  assert.equal(calls, 1);
});

test("while secrets rotate, calls signed with either are taken, in both directions", async () => {
  const newer = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
  const both = createHandler({ secret: [newer, SECRET] });
  for (const secret of [newer, SECRET]) {
    assert.equal((await both(call(event("x", [], false), { secret }))).status, 204);
  }
  const body = Buffer.from("ünï");
  const { timestamp, signature } = createSigner([newer, SECRET], Date.now)("evt_1", body);
  const headers: Record<string, string> = {
    "webhook-id": "evt_1",
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  };
  const signed = { header: (name: string) => headers[name], body: new Uint8Array(body) };
  assert.equal(await verify(signed, SECRET), "evt_1");
  assert.equal(await verify({ ...signed, body: "ünï" }, [newer]), "evt_1");
  await assert.rejects(verify({ ...signed, body: "uni" }, [newer, SECRET]), VerifyError);
});

/** What each module that is imported by name may weigh, minified and gzipped. */
const MODULES = { index: 4608, node: 1024, lambda: 1024 };

for (const [name, bytesMax] of Object.entries(MODULES)) {
  test(`the SDK's ${name} is at most ${bytesMax} bytes and needs nothing but Web APIs`, async () => {
    // A neutral platform has no Node.js: an import of its modules could not be resolved.
    const { outputFiles, metafile } = await build({
      entryPoints: [fileURLToPath(new URL(`../../src/edge/${name}.ts`, import.meta.url))],
      bundle: true,
      minify: true,
      format: "esm",
      platform: "neutral",
      write: false,
      metafile: true,
    });
    const [file] = outputFiles;
    assert.ok(file);
    const { length } = gzipSync(file.contents, { level: 9 });
    assert.ok(length <= bytesMax, `${length} bytes`);
    assert.ok(!/\b(process|Buffer|require|__dirname)\b/.test(file.text));
    const inputs = Object.keys(metafile.inputs);
    const outside = inputs.filter((path) => !/^src\/(edge|core)\//.test(path));
    assert.deepEqual(outside, []);
  });
}

// Seen: without a secret every call was answered with a 500, and nothing said why.
test("a handler without a secret throws where it is made, and says what is missing", async () => {
  // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand over.
  const make = (options?: any) => createHandler(options);
  const missing = [undefined, "", [], [SECRET, undefined], "whsec_", "whsec_?", [5]];
  for (const secret of missing) {
    const error = { name: "TypeError", message: /`secret` must be the gateway's/ };
    assert.throws(() => make({ secret }), error, String(secret));
    const signed = { header: () => "x", body: "" };
    // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand over.
    await assert.rejects(verify(signed, secret as any), error, String(secret));
  }
  assert.throws(() => make(), /`secret` must be/);
  assert.equal(typeof make({ secret: [SECRET, SECRET.slice("whsec_".length)] }), "function");
});

test("a bound that is undefined is the default one", async () => {
  const own = createHandler({ secret: SECRET, bodyBytesMax: undefined as unknown as number });
  const large = call(event("x", ["a".repeat(5_000_000)]));
  assert.equal((await own(large)).status, 413);
});

// Every signature of a header's list was one more HMAC of the whole body, before anything was known
// of the caller: two thousand in one header made a function hash gigabytes for one request.
test("a long list of signatures costs one hash of the body per secret", async (t) => {
  const { subtle } = globalThis.crypto;
  let hashed = 0;
  for (const name of ["sign", "verify"] as const) {
    const real = subtle[name].bind(subtle) as (...given: unknown[]) => Promise<never>; // the same call
    t.mock.method(subtle, name, (...given: unknown[]) => {
      hashed++;
      return real(...given);
    });
  }
  const own = call(event("quiet", ["x"])).headers.get("webhook-signature") ?? "";
  const junk = `v1,${"A".repeat(43)}= `;
  const listed = (signatures: string) =>
    handler(call(event("quiet", ["x"]), { headers: { "webhook-signature": signatures } }));
  assert.equal((await listed(junk.repeat(300))).status, 400);
  assert.equal(hashed, 1);
  assert.equal(
    (await listed(junk.repeat(3) + own)).status,
    200,
    "the right one may stand anywhere",
  );
});
