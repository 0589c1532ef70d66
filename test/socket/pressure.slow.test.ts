/**
 * In order, or closed with a counted reason: whatever is sent, however it is read, a client has
 * received a prefix of it, and all of it unless its connection was closed as slow_consumer.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket } from "socket.io-client";
import { type ClientOptions, newClient, testGateway, WAYS } from "../harness/gateway.ts";
import { type SlowProxy, slowProxy } from "../harness/slow-proxy.ts";
import { next, until } from "../harness/wait.ts";

const MIB = 1_048_576;

interface Target {
  readonly io: Server;
  readonly socket: ServerSocket;
  /** Another socket, for `socket.to`. */
  readonly other: ServerSocket;
}

/** How message `n` is sent to the client, which is in the room `r`. */
type Send = (target: Target, n: number, payload: Buffer) => void;

const PLAIN: Readonly<Record<string, { bytes: number; send: Send }>> = {
  direct: { bytes: 4096, send: ({ socket }, n, p) => socket.emit("n", n, p) },
  room: { bytes: 4096, send: ({ io }, n, p) => io.to("r").emit("n", n, p) },
  namespace: { bytes: 4096, send: ({ io }, n, p) => io.emit("n", n, p) },
  "socket.to": { bytes: 4096, send: ({ other }, n, p) => other.to("r").emit("n", n, p) },
  "room of big messages": { bytes: 65_536, send: ({ io }, n, p) => io.to("r").emit("n", n, p) },
  acks: { bytes: 4096, send: ({ socket }, n, p) => socket.emit("n", n, p, () => {}) },
};
const plain = Object.values(PLAIN);
const SHAPES = {
  ...PLAIN,
  mixed: {
    bytes: 8192,
    send: (target: Target, n: number, p: Buffer) => plain[n % plain.length]?.send(target, n, p),
  },
};

const CLIENTS: Readonly<Record<string, ClientOptions>> = {
  msgpack: { codec: "msgpack" },
  "JSON with attachments": { codec: "json" },
  "long-polling": { codec: "msgpack", transports: [...WAYS.polling] },
};

interface Reading {
  readonly bufferBytesMax: number;
  readonly sentBytes: number;
  /** What the reader does before, and after, everything has been sent. */
  before(proxy: SlowProxy): void;
  after(proxy: SlowProxy): void;
  readonly closes: boolean;
}

const READERS: Readonly<Record<string, Reading>> = {
  "reads slowly but keeps up": {
    bufferBytesMax: 64 * MIB,
    sentBytes: 6 * MIB,
    before: (proxy) => proxy.limit(24 * MIB),
    after: (proxy) => proxy.limit(Number.POSITIVE_INFINITY),
    closes: false,
  },
  "stalls, then resumes below the limit": {
    bufferBytesMax: 64 * MIB,
    sentBytes: 16 * MIB,
    before: (proxy) => proxy.pause(),
    after: (proxy) => proxy.resume(),
    closes: false,
  },
  "stalls for good": {
    bufferBytesMax: MIB,
    sentBytes: 24 * MIB,
    before: (proxy) => proxy.pause(),
    after: () => {},
    closes: true,
  },
};

/** Sends everything, 20 messages a turn of the loop, unless the client is gone before. */
async function sendAll(target: Target, shape: (typeof plain)[number], bytes: number) {
  const payload = Buffer.alloc(shape.bytes, 7);
  const count = Math.ceil(bytes / shape.bytes);
  for (let n = 0; n < count; n++) {
    shape.send(target, n, payload);
    if (n % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  return count;
}

async function begin(t: TestContext, reading: Reading, options: ClientOptions) {
  const gateway = await testGateway(t, {
    socket: { bufferBytesMax: reading.bufferBytesMax, stallMsMax: 60_000 },
  });
  const proxy = await slowProxy(t, gateway.port);
  const { client: witness, socket: other } = await gateway.joined();
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const client: Socket = newClient(proxy.url, options);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  const [socket] = await arrived;
  socket.join("r");
  const received: number[] = [];
  client.on("n", (n: number) => received.push(n));
  const target: Target = { io: gateway.io, socket, other };
  return { gateway, proxy, client, witness, target, received };
}

for (const [reader, reading] of Object.entries(READERS)) {
  for (const [shapeName, shape] of Object.entries(SHAPES)) {
    for (const [clientName, options] of Object.entries(CLIENTS)) {
      test(`${shapeName} to ${clientName} that ${reader}`, async (t) => {
        const { gateway, proxy, client, witness, target, received } = await begin(
          t,
          reading,
          options,
        );
        const gone = next<[string, Error | undefined]>(target.socket, "disconnect", 60_000);
        gone.catch(() => {});
        reading.before(proxy);
        const count = await sendAll(target, shape, reading.sentBytes);
        reading.after(proxy);
        if (reading.closes) {
          const [reason, why] = await gone;
          assert.equal(reason, "transport error");
          assert.match(why?.message ?? "", /^slow consumer: \d+ bytes unsent/);
          // What is on its way arrives, and then the end.
          const ended = next(client, "disconnect", 20_000);
          proxy.resume();
          await ended;
        } else {
          await until(() => received.length >= count, `all of ${count} messages`, 30_000);
        }
        const wanted = Array.from(
          { length: reading.closes ? received.length : count },
          (_, n) => n,
        );
        assert.deepEqual(received, wanted, "a prefix of what was sent, without a hole");
        assert.ok(!reading.closes || received.length < count);
        const closed = { reason: "slow_consumer" };
        const slow = await gateway.metric("sluice_connections_closed_total", closed);
        assert.equal(slow, reading.closes ? 1 : 0);
        assert.equal(await gateway.metric("sluice_slow_consumers_total"), slow);
        await until(
          async () => (await gateway.metric("sluice_send_buffer_bytes")) === 0,
          "the buffers' end",
        );
        assert.equal(await gateway.metric("sluice_pressured_connections"), 0);
        const drains = await gateway.metric("sluice_drains_total");
        const stalled = !reading.closes && reader.startsWith("stalls");
        // Long-polling has no pressure of its own: between two polls everything waits.
        if (stalled && clientName !== "long-polling")
          assert.ok(drains > 0, "it was under pressure");
        assert.ok(witness.connected, "the neighbour is unharmed");
      });
    }
  }
}
