// Seen: a bigint, or a socket itself, in the `data` of one socket failed every listing, for all sockets.
// The old code wrote a whole page at once, and looked at nothing but that it could not.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as msgpack from "@msgpack/msgpack";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

const KEY = "k".repeat(32);
const boom = (): never => {
  throw new Error("boom");
};
const cycle: Record<string, unknown> = {};
cycle.self = cycle;

/** What an application may keep in `data`, and whether JSON and msgpack can say it. */
const DATA: Record<string, { value: unknown; json: boolean; msgpack: boolean }> = {
  "a bigint": { value: { id: 5n }, json: false, msgpack: false },
  "a cycle": { value: cycle, json: false, msgpack: false },
  "a toJSON that throws": { value: { toJSON: boom }, json: false, msgpack: false },
  "a getter that throws": {
    value: Object.defineProperty({}, "a", { enumerable: true, get: boom }),
    json: false,
    msgpack: false,
  },
  "a Proxy that throws": {
    value: new Proxy({}, { get: boom, ownKeys: boom }),
    json: false,
    msgpack: false,
  },
  "a function and a symbol": { value: { f: boom, s: Symbol("s") }, json: true, msgpack: false },
  "a Map, a Set and a Date": {
    value: { m: new Map([[1, 2]]), d: new Date(0) },
    json: true,
    msgpack: true,
  },
  nothing: { value: undefined, json: true, msgpack: true },
  "an object without a prototype": { value: Object.create(null), json: true, msgpack: true },
  "nesting to the end of the stack": { value: nest(100_000), json: false, msgpack: false },
};

function nest(levels: number): unknown {
  let value: unknown = {};
  for (let i = 0; i < levels; i++) value = { value };
  return value;
}

for (const [what, { value, ...fits }] of Object.entries(DATA)) {
  test(`a socket whose data holds ${what} is listed, and so are all others`, async (t) => {
    const gateway = await testGateway(t, { api: { keys: [`test:${KEY}`] } });
    gateway.io.on("connection", (socket) => {
      socket.data = socket.handshake.query.odd ? value : { name: "fine" };
    });
    const odd = await gateway.connected({ query: { odd: "1" } });
    const fine = await gateway.connected();
    const ask = async (path: string, body?: string, headers = {}) => {
      const answer = await fetch(`${gateway.url}/v1/${path}`, {
        headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
        ...(body !== undefined && { method: "POST", body }),
      });
      assert.equal(answer.status, 200, path);
      return Buffer.from(await answer.arrayBuffer());
    };
    const check = (answer: unknown, fit: boolean) => {
      const { sockets } = answer as { sockets: { id: string; rooms: string[]; data: never }[] };
      const of = (id: string | undefined) => sockets.find((one) => one.id === id);
      assert.equal(sockets.length, 2);
      assert.deepEqual(of(fine.id)?.data, { name: "fine" });
      assert.deepEqual(of(odd.id)?.rooms, [odd.id]);
      const error = (of(odd.id)?.data as { $error?: string } | undefined)?.$error;
      if (fit) assert.equal(error, undefined);
      else assert.match(String(error), /^cannot be sent: .{4,}/);
    };
    const command = JSON.stringify({ do: "fetchSockets" });
    const lines = { "content-type": "application/x-ndjson" };
    check(JSON.parse(String(await ask("sockets"))), fits.json);
    check(JSON.parse(String(await ask("fetchSockets", "{}"))), fits.json);
    check(JSON.parse(String(await ask("commands", `[${command}]`)))[0], fits.json);
    check(JSON.parse(String(await ask("commands", `${command}\n`, lines))), fits.json);
    const packed = { accept: "application/msgpack" };
    check(msgpack.decode(await ask("sockets", undefined, packed)), fits.msgpack);
  });
}

test("a function is told of a socket whose data cannot be sent, with the reason", async (t) => {
  const fn = await startFunction(t, ({ json }) => (json.event ? { body: { ack: ["ok"] } } : {}));
  const gateway = await testGateway(t, { upstream: { url: fn.url, secrets: [SECRET] } });
  gateway.io.use((socket, go) => {
    socket.data = { id: 5n };
    Object.assign(socket.handshake, { auth: { id: 5n } });
    go();
  });
  const client = await gateway.connected();
  const { id } = client;
  assert.equal(await client.timeout(5000).emitWithAck("hello"), "ok");
  client.disconnect();
  await until(() => fn.received.length === 3, "the disconnect");
  const [connect, event, disconnect] = fn.received.map(({ json }) => json);
  for (const { socket } of [event, disconnect]) {
    assert.equal(socket.id, id);
    assert.match(socket.data.$error, /^cannot be sent: .*BigInt/);
  }
  assert.ok(connect.socket.handshake.headers);
});
