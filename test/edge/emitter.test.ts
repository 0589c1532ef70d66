import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createEmitter, SluiceError } from "../../src/edge/index.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const KEY = "k".repeat(32);

interface Events {
  news: (text: string, bytes?: Uint8Array) => void;
  ask: (text: string, answer: (reply: string) => void) => void;
}

function gatewayFor(t: TestContext): Promise<TestGateway> {
  return testGateway(t, { api: { keys: [`all:${KEY}`, `few:${"f".repeat(32)}:emit`] } });
}

test("the emitter reaches whom its chain names, with bytes, in both codecs", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.io.on("connection", (socket) => void socket.join("room:1"));
  const io = createEmitter<Events>({ url: `${gateway.url}/`, key: KEY });
  const [ada, bob] = [await gateway.connected(), await gateway.connected({ codec: "json" })];
  const seen: unknown[] = [];
  ada.on("news", () => seen.push("ada"));
  const heard = next<[string, Uint8Array]>(bob, "news");
  await io
    .to("room:1")
    .except(ada.id ?? "")
    .emit("news", "hi", new Uint8Array([1, 2, 255]));
  const [text, bytes] = await heard;
  assert.deepEqual([text, ...bytes], ["hi", 1, 2, 255]);
  const both = [next(ada, "news"), next(bob, "news")];
  await io.volatile.emit("news", "all");
  await Promise.all(both);
  assert.deepEqual(seen, ["ada"]);
});

test("rooms, presence, acknowledgements and disconnects work as in Socket.IO", async (t) => {
  const gateway = await gatewayFor(t);
  const io = createEmitter<Events>({ url: gateway.url, key: KEY });
  const [ada, bob] = [await gateway.connected(), await gateway.connected()];
  ada.on("ask", (text, answer) => answer(`${text}!`));
  await io.in(ada.id ?? "").socketsJoin(["x", "y"]);
  await io.in(ada.id ?? "").socketsLeave("y");
  const [present, ...others] = await io.in("x").fetchSockets();
  assert.equal(present?.id, ada.id);
  assert.deepEqual(others, []);
  assert.deepEqual(await io.to("x").timeout(1000).emitWithAck("ask", "well"), {
    answers: [{ id: ada.id, answer: "well!" }],
    timedOut: [],
  });
  const { timedOut } = await io
    .to(bob.id ?? "")
    .timeout(20)
    .emitWithAck("ask", "well");
  assert.deepEqual(timedOut, [bob.id]);
  await io.in("x").disconnectSockets(true);
  await until(() => !ada.connected, "she is gone");
  assert.ok(bob.connected);
});

// Seen: `io.to([]).emit()` of a function that had found nobody reached everyone: the empty list was
// handed on, and the gateway took it for a list that is left out.
test("a chain through an empty list reaches nobody, and one more room reaches that room", async (t) => {
  const gateway = await gatewayFor(t);
  const io = createEmitter({ url: gateway.url, key: KEY });
  const ada = await gateway.connected();
  const seen: string[] = [];
  ada.onAny((name: string) => seen.push(name));
  await io.to([]).emit("nobody");
  await io.to([]).except([]).volatile.emit("nobody");
  await io.in([]).disconnectSockets(true);
  await io.in([]).socketsJoin("x");
  assert.deepEqual(await io.in([]).fetchSockets(), []);
  assert.deepEqual(await io.to([]).emitWithAck("nobody"), { answers: [], timedOut: [] });
  await io.socketsJoin([]);
  await io
    .to([])
    .to(ada.id ?? "")
    .emit("hers");
  // Nor does what JavaScript may hand over where it has found nothing.
  for (const nothing of [undefined, null] as never[]) {
    assert.throws(() => io.to(nothing), TypeError);
    assert.throws(() => io.except(nothing), TypeError);
  }
  await io.except([]).emit("everyone");
  await until(() => seen.length >= 2, "both events");
  assert.deepEqual(seen, ["hers", "everyone"]);
});

test("what is to happen later happens then, for nobody too, unless it is cancelled by its key", async (t) => {
  const gateway = await gatewayFor(t);
  const io = createEmitter({ url: gateway.url, key: KEY });
  const ada = await gateway.connected();
  const seen: string[] = [];
  ada.onAny((name: string) => seen.push(name));
  const last = next(ada, "last");
  await io.after(5).to([]).emit("nobody");
  await io.to([]).after(5).except("x").emit("nobody");
  await io.after(60_000, { key: "far" }).emit("cancelled");
  await io.after(60_000, { key: "near" }).emit("replaced");
  await io.after(1, { key: "near" }).emit("near");
  await io
    .to(ada.id ?? "")
    .after(20)
    .emit("last");
  assert.equal(await io.cancel("far"), true);
  assert.equal(await io.cancel("far"), false);
  assert.equal(await io.cancel("nothing"), false);
  await last;
  assert.deepEqual(seen, ["near", "last"]);
});

test("an emitter sends on the trace context that it was made with", async () => {
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const sent: (string | null)[][] = [];
  const fetch = (_url: unknown, { headers }: RequestInit = {}) => {
    const given = new Headers(headers);
    sent.push(["traceparent", "tracestate"].map((name) => given.get(name)));
    return Promise.resolve(Response.json({ ok: true }));
  };
  const url = "https://sluice.example";
  await createEmitter({ url, key: KEY, fetch, traceparent, tracestate: "v=1" }).emit("x");
  await createEmitter({ url, key: KEY, fetch, traceparent }).emit("x");
  // A handler's context has neither where its call had none.
  const none = { traceparent: undefined, tracestate: undefined };
  await createEmitter({ url, key: KEY, fetch, ...none }).emit("x");
  assert.deepEqual(sent, [
    [traceparent, "v=1"],
    [traceparent, null],
    [null, null],
  ]);
});

test("a client that answers with what only looks like bytes is heard as it is", async (t) => {
  const gateway = await gatewayFor(t);
  const io = createEmitter<Events>({ url: gateway.url, key: KEY });
  const ada = await gateway.connected();
  ada.on("ask", (_text, answer) => answer({ $binary: "!" }));
  const { answers } = await io.emitWithAck("ask", "well");
  assert.deepEqual(answers, [{ id: ada.id, answer: { $binary: "!" } }]);
});

test("what the gateway refuses is an error with its status, code and words", async (t) => {
  const gateway = await gatewayFor(t);
  const refused = async (what: Promise<unknown>) => {
    const error: unknown = await what.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof SluiceError);
    return [error.status, error.code];
  };
  const few = createEmitter({ url: gateway.url, key: "f".repeat(32) });
  await few.emit("x");
  assert.deepEqual(await refused(few.in("a").socketsJoin("b")), [403, "API_FORBIDDEN"]);
  const nobody = createEmitter({ url: gateway.url, key: "n".repeat(32) });
  assert.deepEqual(await refused(nobody.emit("x")), [401, "API_UNAUTHENTICATED"]);
  const io = createEmitter({ url: gateway.url, key: KEY });
  assert.deepEqual(await refused(io.emit("connect")), [400, "COMMANDS_BAD"]);
  assert.deepEqual(await refused(io.of("/none").emit("x")), [404, "COMMANDS_NO_NAMESPACE"]);
  assert.deepEqual(await refused(io.serverSideEmit("x")), [409, "COMMANDS_NO_CLUSTER"]);
});

test("an answer that is not the gateway's is an error too", async () => {
  const fetch = () => Promise.resolve(new Response("<html>", { status: 200 }));
  const io = createEmitter({ url: "https://sluice.example", key: KEY, fetch });
  await assert.rejects(io.emit("x"), SluiceError);
});

// Seen: "Cannot read properties of undefined (reading 'replace')" where SLUICE_URL was not set.
test("an emitter without a URL, a key or a fetch says what is missing", async (t) => {
  const url = "https://sluice.example";
  // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand over.
  const make = (options?: any) => createEmitter(options);
  for (const bad of [undefined, null, {}, { key: KEY }, { url: "", key: KEY }]) {
    assert.throws(() => make(bad), { name: "TypeError", message: /createEmitter needs `url`/ });
  }
  for (const odd of ["sluice.example", "localhost:3000", "ftp://a", "https://", 5]) {
    assert.throws(() => make({ url: odd, key: KEY }), /createEmitter needs `url`/, String(odd));
  }
  for (const key of [undefined, null, "", " "]) {
    assert.throws(() => make({ url, key }), { name: "TypeError", message: /needs `key`/ });
  }
  const { fetch: real } = globalThis;
  t.after(() => Object.assign(globalThis, { fetch: real }));
  Reflect.deleteProperty(globalThis, "fetch");
  await assert.rejects(make({ url, key: KEY }).emit("x"), /give createEmitter one as `fetch`/);
});
