import assert from "node:assert/strict";
import { test } from "node:test";
import { createValueCodec } from "../../src/codec/values.ts";
import { createEmitter } from "../../src/edge/index.ts";
import { WIDE } from "../harness/api.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const KEY = "k".repeat(32);
const BYTES = Buffer.from("hi");
const SPELLED = { $binary: "aGk=" };
const ESCAPED = { $escape: SPELLED };
/** What clients may say that is no bytes, and what is. */
const SAID = [
  SPELLED,
  { $binary: "aGk" },
  { $escape: { $binary: "!" } },
  { deep: [{ toJSON: 1, SPELLED, BYTES }] },
] as const;

// A client's own {"$binary":"aGk="} was bytes at the function; sent back by it in any other shape, the
// whole answer was refused: bytes were spelled, and what looked like them was left as it was.
test("what a client says comes back to it as it was, on every way and in both codecs", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({
    body: { ack: json.args, commands: [{ do: "emit", event: "relayed", args: json.args }] },
  }));
  const upstream = { url: fn.url, secrets: [SECRET], calls: ["event" as const] };
  const gateway = await testGateway(t, { upstream });
  for (const codec of ["json", "msgpack"] as const) {
    for (const transports of Object.values(WAYS)) {
      const client = await gateway.connected({ codec, transports: [...transports] });
      const relayed = next(client, "relayed");
      const acked = new Promise<unknown[]>((resolve) => {
        client.emit("say", ...SAID, (...back: unknown[]) => resolve(back));
      });
      assert.deepEqual(plain(await acked), SAID);
      assert.deepEqual(plain(await relayed), SAID);
      client.disconnect();
    }
  }
  assert.deepEqual(fn.received[0]?.json.args, [
    ESCAPED,
    { $escape: { $binary: "aGk" } },
    { $escape: { $escape: { $escape: { $binary: "!" } } } },
    { deep: [{ toJSON: 1, SPELLED: ESCAPED, BYTES: SPELLED }] },
  ]);
});

/** Clients give bytes as ArrayBuffers or Buffers. */
function plain(value: unknown): unknown {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

test("auth, data, refusals and disconnects are spelled like events", async (t) => {
  const auth = { token: SPELLED, key: BYTES };
  const fn = await startFunction(t, ({ headers, json }) => {
    if (headers["ce-type"] !== "io.sluice.connect") return {};
    const { auth: said } = json.socket.handshake;
    if (said.token === undefined) return { status: 403, body: { message: "no", data: ESCAPED } };
    return { body: { data: { ...said, odd: ESCAPED } } };
  });
  const gateway = await testGateway(t, { upstream: { url: fn.url, secrets: [SECRET] } });
  const client = await gateway.connected({ auth });
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(socket?.data, { ...auth, odd: SPELLED });
  client.emit("told");
  client.disconnect();
  await until(() => fn.received.length === 3, "the disconnect call");
  const [connect, event, disconnect] = fn.received;
  const spelled = { token: ESCAPED, key: SPELLED };
  assert.deepEqual(connect?.json.socket.handshake.auth, spelled);
  assert.deepEqual(event?.json.socket.data, { ...spelled, odd: ESCAPED });
  assert.deepEqual(disconnect?.json.socket.data, { ...spelled, odd: ESCAPED });
  const stranger = gateway.client({ auth: {} });
  const refused = next<[Error & { data: unknown }]>(stranger, "connect_error");
  stranger.connect();
  assert.deepEqual((await refused)[0].data, SPELLED);
});

test("data of a connect answer that stands for bytes is no data, escaped it is", async (t) => {
  const fn = await startFunction(t, ({ json }) => ({
    body: { data: json.socket.handshake.auth.as },
  }));
  const upstream = { url: fn.url, secrets: [SECRET], calls: ["connect" as const] };
  const gateway = await testGateway(t, { upstream });
  // As the function has it, the client's own object is escaped: it answers what it read.
  await gateway.connected({ auth: { as: SPELLED } });
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(socket?.data, SPELLED);
  const refused = gateway.client({ auth: { as: BYTES } });
  const error = next<[Error & { data: { code: string } }]>(refused, "connect_error");
  refused.connect();
  assert.equal((await error)[0].data.code, "UPSTREAM_BAD_ANSWER");
});

test("the API shows bytes and what looks like them, in lists, answers and dead letters", async (t) => {
  const fn = await startFunction(t, () => ({ status: 400 }));
  const gateway = await testGateway(t, {
    upstream: { url: fn.url, secrets: [SECRET], calls: ["event"], attemptsMax: 1, batch: true },
    api: { keys: [`k:${KEY}`] },
  });
  const client = await gateway.connected();
  const [socket] = await gateway.io.fetchSockets();
  Object.assign(socket?.data, { BYTES, SPELLED });
  client.on("ask", (done: (answer: unknown) => void) => done({ BYTES, SPELLED }));
  client.emit("lost", SPELLED, BYTES);
  await until(
    async () => (await gateway.metric("sluice_upstream_dead_letters")) === 1,
    "the dead letter",
  );
  const get = async (path: string, accept: string) => {
    const headers = { authorization: `Bearer ${KEY}`, accept };
    const answer = await fetch(gateway.url + path, { headers });
    assert.equal(answer.status, 200);
    return Buffer.from(await answer.arrayBuffer());
  };
  const json = async (path: string) => JSON.parse(String(await get(path, "application/json")));
  const packer = createValueCodec(WIDE);
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever was sent.
  const packed = async (path: string): Promise<any> =>
    packer.decode(await get(path, "application/msgpack"));
  const spelled = { BYTES: SPELLED, SPELLED: ESCAPED };
  const real = { BYTES, SPELLED };
  assert.deepEqual((await json("/v1/sockets")).sockets[0].data, spelled);
  assert.deepEqual((await packed("/v1/sockets")).sockets[0].data, real);
  const batched = fn.received[0]?.json[0].data.args;
  assert.deepEqual(batched, [ESCAPED, SPELLED]);
  assert.deepEqual((await json("/v1/deadletters")).deadLetters[0].data.args, [ESCAPED, SPELLED]);
  assert.deepEqual((await packed("/v1/deadletters")).deadLetters[0].data.args, [SPELLED, BYTES]);

  const io = createEmitter({ url: gateway.url, key: KEY });
  const bytes = new Uint8Array(BYTES);
  const [listed] = await io.fetchSockets();
  assert.deepEqual(listed?.data, { BYTES: bytes, SPELLED });
  const { answers } = await io.emitWithAck("ask");
  assert.deepEqual(answers[0]?.answer, { BYTES: bytes, SPELLED });
  const heard = next(client, "news");
  await io.emit("news", { BYTES, SPELLED, toJSON: null });
  assert.deepEqual(plain(await heard), [{ BYTES, SPELLED, toJSON: null }]);
});
