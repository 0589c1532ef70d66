import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io";
import { countSegments } from "../../bench/rig/segments.ts";
import { until } from "../harness/wait.ts";
import { connectAll, type Kind } from "./company.ts";
import { type Rig, startRig } from "./rig.ts";

const KINDS: readonly Kind[] = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "msgpack", way: "polling" },
  { codec: "json", way: "polling" },
  { codec: "json", way: "upgrade" },
];
const MEMBERS = KINDS.map((_, i) => i);
/** In it, and thus left out by `except`. */
const EXCEPTED = 2;
/** Leaves the room and comes back. */
const RESTLESS = 3;

/** Clients in the room `r`, and a way to have a handler of the first one run with its ack. */
async function gather(t: TestContext) {
  const rig = await startRig(t);
  const { clients, sockets, inboxes, settled } = await connectAll(rig, KINDS);
  for (const socket of sockets) socket.join("r");
  sockets[EXCEPTED]?.join("x");
  // Acks take their place among the events.
  for (const [i, client] of clients.entries()) {
    const { seen } = client;
    client.seen = (packet) => {
      if (packet.type === 3) inboxes[i]?.push(packet.data as unknown[]);
      seen(packet);
    };
  }
  async function handle(who: number, run: (ack: (n: number) => void) => void): Promise<void> {
    const done = new Promise<void>((resolve) => {
      sockets[who]?.once("go", (ack: (n: number) => void) => {
        run(ack);
        resolve();
      });
    });
    clients[who]?.send({ type: 2, nsp: "/", data: ["go"], id: 1 });
    await done;
    await settled();
  }
  // What `seen` adds is always a list of arguments.
  return { rig, clients, sockets, inboxes: inboxes as unknown[][][], settled, handle };
}

for (const count of [33, 80, 500])
  for (const sender of [0, 1, 5, 6])
    test(`${count} broadcasts of one handler keep their order with all else (client ${sender})`, async (t) => {
      const { rig, sockets, inboxes, handle } = await gather(t);
      const expected: number[][] = MEMBERS.map(() => []);
      const inRoom = new Set(MEMBERS);
      const expect = (who: Iterable<number>, n: number) => {
        for (const i of who) expected[i]?.push(n);
      };
      const own = sockets[sender] as Socket;
      let n = 0;
      await handle(sender, (ack) => {
        for (let i = 0; i < count; i++) {
          rig.io.to("r").emit("m", ++n);
          expect(inRoom, n);
          if (i % 7 === 0) {
            sockets[i % KINDS.length]?.emit("m", ++n);
            expect([i % KINDS.length], n);
          }
          if (i % 11 === 0) {
            own.to("r").emit("m", ++n);
            expect(without(inRoom, sender), n);
          }
          if (i % 13 === 0) {
            rig.io
              .to("r")
              .except("x")
              .emit("m", ++n, Buffer.from([1, 2, 3]));
            expect(without(inRoom, EXCEPTED), n);
          }
          if (i % 17 === 0) {
            const isIn = inRoom.has(RESTLESS);
            if (isIn) sockets[RESTLESS]?.leave("r");
            else sockets[RESTLESS]?.join("r");
            if (isIn) inRoom.delete(RESTLESS);
            else inRoom.add(RESTLESS);
          }
          if (i % 19 === 0) {
            rig.io.emit("m", ++n, { big: "x".repeat(20_000) });
            expect(MEMBERS, n);
          }
          if (i === count - 5) {
            ack(++n);
            expect([sender], n);
          }
        }
        own.emit("m", ++n);
        expect([sender], n);
      });
      const heard = inboxes.map((inbox) => inbox.map(([first]) => first));
      assert.deepEqual(heard, expected);
    });

function without(members: Iterable<number>, who: number): number[] {
  return [...members].filter((i) => i !== who);
}

test("what others send in the turn of a burst comes after it, and their acks with it", async (t) => {
  const { rig, clients, sockets, inboxes, settled } = await gather(t);
  for (const [i, socket] of sockets.entries())
    socket.on("go", (ack: (n: number) => void) => {
      for (let n = 0; n < 40; n++) rig.io.to("r").emit("m", i, n);
      ack(i);
    });
  // All at once, so that several handlers run in a turn of the loop.
  for (const client of clients) client.send({ type: 2, nsp: "/", data: ["go"], id: 1 });
  const total = 40 * KINDS.length + 1;
  await until(() => inboxes.every((inbox) => inbox.length >= total), "everything");
  await settled();
  for (const [i, inbox] of inboxes.entries()) {
    assert.equal(inbox.length, total);
    for (const from of MEMBERS) {
      const own = inbox.filter(([who, n]) => who === from && n !== undefined);
      assert.deepEqual(
        own.map(([, n]) => n),
        Array.from({ length: 40 }, (_, n) => n),
      );
    }
    const acked = inbox.findIndex((args) => args.length === 1);
    const last = inbox.findLastIndex(([who, n]) => who === i && n !== undefined);
    assert.equal(acked, last + 1, "its ack follows its own broadcasts");
  }
});

test("bytes of a burst may be changed once emit returns", async (t) => {
  const { rig, inboxes, handle } = await gather(t);
  const bytes = Buffer.alloc(3);
  await handle(0, () => {
    for (let n = 0; n < 80; n++) {
      bytes.fill(n);
      rig.io.to("r").emit("m", n, bytes);
    }
    bytes.fill(255);
  });
  for (const inbox of inboxes) {
    assert.equal(inbox.length, 80);
    for (const [n, got] of inbox)
      assert.deepEqual(Buffer.from(got as Uint8Array), Buffer.alloc(3, n as number));
  }
});

test("who is disconnected in the middle of a burst has got what was sent until then", async (t) => {
  const { rig, sockets, clients, inboxes, handle } = await gather(t);
  const closed = [1, 2];
  await handle(0, () => {
    for (let n = 0; n < 100; n++) {
      rig.io.to("r").emit("m", n);
      if (n === 60) sockets[1]?.disconnect(true);
      if (n === 70) sockets[2]?.disconnect(true);
    }
  });
  await until(() => closed.every((i) => clients[i]?.isClosed()), "the closed ones know");
  const counts = inboxes.map((inbox) => inbox.length);
  assert.deepEqual(counts, [100, 61, 71, 100, 100, 100, 100]);
  assert.equal(rig.attached.samples().fanout.slow, 3, "the others are as before");
});

test("who is disconnected after a burst, with all others, has got it whole", async (t) => {
  const { rig, clients, inboxes, sockets } = await gather(t);
  sockets[0]?.once("go", () => {
    for (let n = 0; n < 80; n++) rig.io.to("r").emit("m", n);
    rig.io.disconnectSockets(true);
  });
  clients[0]?.send({ type: 2, nsp: "/", data: ["go"] });
  await until(() => clients.every((client) => client.isClosed()), "the close");
  const all = Array.from({ length: 80 }, (_, n) => n);
  for (const inbox of inboxes)
    assert.deepEqual(
      inbox.map(([n]) => n),
      all,
    );
});

test("a burst over the bytes that may wait is delivered whole, in order", async (t) => {
  const rig = await startRig(t, { socket: { bufferBytesMax: 65_536 } });
  const { clients, sockets, settled, ...company } = await connectAll(rig, KINDS.slice(0, 2));
  const inboxes = company.inboxes as unknown[][][]; // each a list of arguments
  for (const socket of sockets) socket.join("r");
  sockets[0]?.once("go", () => {
    for (let n = 0; n < 300; n++) rig.io.to("r").emit("m", n, "x".repeat(1000));
  });
  clients[0]?.send({ type: 2, nsp: "/", data: ["go"] });
  await until(() => inboxes.every((inbox) => inbox.length === 300), "everything");
  await settled();
  for (const inbox of inboxes)
    assert.deepEqual(
      inbox.map(([n]) => n),
      Array.from({ length: 300 }, (_, n) => n),
    );
});

/** Has a handler send 80 broadcasts, and returns how many segments a member got them in. */
async function countWrites(t: TestContext, members: number, send: (rig: Rig, n: number) => void) {
  const rig = await startRig(t);
  const kinds = Array.from({ length: members }, (): Kind => ({ codec: "json", way: "websocket" }));
  const { clients, sockets, inboxes, settled } = await connectAll(rig, kinds);
  for (const socket of sockets) socket.join(["r", "r1", "r2", "r3"]);
  const before = await countSegments(rig.port);
  if (before === 0) return undefined;
  sockets[0]?.once("go", () => {
    for (let n = 0; n < 80; n++) send(rig, n);
  });
  clients[0]?.send({ type: 2, nsp: "/", data: ["go"] });
  await until(() => inboxes.every((inbox) => inbox.length === 80), "everything");
  const segments = (await countSegments(rig.port)) - before;
  await settled();
  for (const inbox of inboxes)
    assert.deepEqual(
      inbox.map((args) => (args as unknown[])[0]),
      Array.from({ length: 80 }, (_, n) => n),
    );
  return segments / members;
}

test("a handler's burst goes out in a few writes per member, not one a message", async (t) => {
  // Seen: 80 broadcasts of a handler were 49 writes to each member. While uWebSockets.js calls back
  // for a socket, it puts together only what that socket gets.
  const writes = await countWrites(t, 10, (rig, n) => void rig.io.to("r").emit("m", n));
  if (writes === undefined) return t.skip("ss is missing");
  assert.ok(writes <= 8, `${writes} segments`);
});

const OVERLAPS: readonly [string, (rig: Rig, n: number) => void][] = [
  ["four rooms", (rig, n) => void rig.io.to(["r", "r1", "r2", "r3"][n % 4] ?? "").emit("m", n)],
  ["a room and everyone", (rig, n) => void (n % 2 ? rig.io : rig.io.to("r")).emit("m", n)],
];
for (const [what, send] of OVERLAPS)
  test(`so does a burst to ${what} with the same members`, async (t) => {
    // Seen: 20 messages to each of four rooms were 27 writes to each member.
    const writes = await countWrites(t, 40, send);
    if (writes === undefined) return t.skip("ss is missing");
    assert.ok(writes <= 8, `${writes} segments`);
  });
