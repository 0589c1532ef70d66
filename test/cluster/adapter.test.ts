/** Nodes whose adapters share a log act as one, whatever carries it. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createAdapterClass } from "../../src/cluster/adapter.ts";
import { createSamples } from "../../src/cluster/log/carrier.ts";
import { createBus } from "../../src/cluster/log/feed.ts";
import { connectAll } from "../fanout/company.ts";
import { startRig } from "../fanout/rig.ts";
import { createMemoryCarriers } from "../harness/memory-carrier.ts";
import { until } from "../harness/wait.ts";

const KINDS = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "json", way: "polling" },
] as const;

async function gather(t: TestContext, count = 2) {
  const carriers = createMemoryCarriers({ packetsMax: 1000, bytesMax: 1e8 });
  const nodes = Array.from({ length: count }, async (_, at) => {
    const samples = createSamples();
    const errors: unknown[] = [];
    const failed = (error: unknown) => void errors.push(error);
    const bus = createBus(carriers.join(`n${at}`), {
      ...{ samples, lagged() {}, threw: failed },
      heldBytesMax: 1e8,
    });
    t.after(() => bus.stop());
    const adapter = createAdapterClass({
      ...{ bus, samples, failed, lost() {} },
      settings: { requestsMax: 10, requestTimeoutMs: 2000 },
    });
    const rig = await startRig(t, {}, { adapter });
    const company = await connectAll(rig, KINDS);
    return { rig, io: rig.io, company, samples, errors };
  });
  return Promise.all(nodes);
}

test("every client of every node sees one order, each packet once, and only what is for it", async (t) => {
  const nodes = await gather(t, 3);
  const sockets = nodes.flatMap(({ company }) => company.sockets);
  await Promise.all(sockets.map((socket, at) => socket.join(["all", at % 2 ? "odd" : "even"])));
  for (let n = 0; n < 30; n++) {
    const { io } = nodes[n % 3] as (typeof nodes)[0];
    io.to("all").emit("m", n);
    io.to(["odd", "even"]).except("even").emit("m", `odd ${n}`);
  }
  const inboxes = () => nodes.flatMap(({ company }) => company.inboxes);
  await until(() => inboxes().every((inbox, at) => inbox.length === (at % 2 ? 60 : 30)), "all");
  const [even, odd] = inboxes() as [unknown[][], unknown[][]];
  for (const [at, inbox] of inboxes().entries()) assert.deepEqual(inbox, at % 2 ? odd : even);
  assert.deepEqual(
    even.flat(),
    odd.flat().filter((word) => !String(word).startsWith("odd")),
  );
  for (const { errors } of nodes) assert.deepEqual(errors, []);
});

test("a node without members hears nothing of a room", async (t) => {
  const [a, b] = (await gather(t)) as [Node, Node];
  await a.company.sockets[0]?.join("red");
  const before = b.samples.messages.in;
  for (let n = 0; n < 10; n++) a.io.to("red").emit("m", n);
  await until(() => a.company.inboxes[0]?.length === 10, "all");
  assert.equal(b.samples.messages.in, before);
  await b.company.sockets[0]?.join("red");
  a.io.to("red").emit("m", 10);
  await until(() => b.company.inboxes[0]?.flat().includes(10) ?? false, "the next");
});

test("what is emitted is what it was then, whatever its sender makes of it afterwards", async (t) => {
  // Seen: a node's own clients got what the object, or the buffer, held when it came back from the
  // log: a state that is sent with each tick of a game came twice, and its earlier one never.
  const nodes = (await gather(t)) as [Node, Node];
  const [{ io }] = nodes;
  const state = { tick: 1, bytes: Buffer.of(1) };
  const rooms = ["red"];
  const change = () => {
    state.tick++;
    state.bytes[0] = state.tick;
    rooms[0] = "blue";
  };
  io.socketsJoin(rooms);
  for (let times = 0; times < 2; times++) {
    io.to("red").emit("m", state);
    change();
  }
  io.timeout(10_000).emit("m", state, () => {});
  change();
  const inboxes = () => nodes.flatMap(({ company }) => company.inboxes);
  await until(() => inboxes().every((inbox) => inbox.length === 3), "all");
  for (const inbox of inboxes()) {
    const seen = inbox.flat().map((each) => {
      const { tick, bytes } = each as typeof state;
      return [tick, ...new Uint8Array(bytes)];
    });
    const expected = [1, 2, 3].map((tick) => [tick, tick]);
    assert.deepEqual(seen, expected);
  }
});

type Node = Awaited<ReturnType<typeof gather>>[number];

test("joins, leaves, requests, acks and disconnects go across nodes, in order", async (t) => {
  const [a, b] = (await gather(t)) as [Node, Node];
  const [near, far] = [a.company.sockets[0], b.company.sockets[0]];
  assert.ok(near && far);
  far.data = { color: "red", bytes: Buffer.of(1) };
  a.io.in([near.id, far.id]).socketsJoin("red");
  const found = await a.io.in("red").fetchSockets();
  assert.deepEqual(found.map(({ id }) => id).sort(), [near.id, far.id].sort());
  assert.deepEqual(found.find(({ id }) => id === far.id)?.data, far.data);
  a.io.in(near.id).socketsLeave("red");
  assert.deepEqual(
    (await b.io.in("red").fetchSockets()).map(({ id }) => id),
    [far.id],
  );
  b.io.on("hello", (word, done) => done(`${word} too`));
  assert.deepEqual(await a.io.serverSideEmitWithAck("hello", "world"), ["world too"]);
  for (const { company } of [a, b]) {
    for (const client of company.clients) {
      const { seen } = client;
      client.seen = (packet) => {
        seen(packet);
        if (packet.id !== undefined)
          client.send({ type: 3, nsp: "/", id: packet.id, data: ["yes"] });
      };
    }
  }
  assert.equal((await a.io.timeout(2000).emitWithAck("ask")).length, 6);
  a.io.in("red").disconnectSockets(true);
  await until(() => !far.connected, "the disconnect");
  for (const { errors } of [a, b]) assert.deepEqual(errors, []);
});
