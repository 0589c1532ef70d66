import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Server, Socket as ServerSocket } from "socket.io";
import { type ClientOptions, testGateway, WAYS } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

/** The longest name a room may have. */
const HUGE = "x".repeat(65_536);

/** Each member's way in and rooms: both codecs, both transports, and the upgrade between them. */
const MEMBERS: Readonly<Record<string, { how: ClientOptions; rooms: (string | number)[] }>> = {
  ann: { how: { codec: "msgpack" }, rooms: ["a", "b"] },
  bob: { how: { codec: "json" }, rooms: ["a"] },
  cat: { how: { codec: "msgpack", transports: [...WAYS.polling] }, rooms: ["a", "b", ""] },
  dan: { how: { codec: "json", transports: [...WAYS.polling] }, rooms: ["b", "1"] },
  eve: { how: { codec: "msgpack", transports: [...WAYS.upgraded] }, rooms: ["b", "c", 1 as never] },
  fay: {
    how: { codec: "json", transports: [...WAYS.upgraded] },
    rooms: ["c", HUGE],
  },
};

type Names = readonly string[];
type Shape = readonly [
  title: string,
  send: (io: Server, who: (name: string) => ServerSocket) => void,
  recipients: Names,
];

const ALL = Object.keys(MEMBERS);
const SHAPES: readonly Shape[] = [
  ["everyone", (io) => io.emit("m"), ALL],
  ["one room", (io) => io.to("a").emit("m"), ["ann", "bob", "cat"]],
  ["a room but its msgpack sender", (_, who) => who("ann").to("a").emit("m"), ["bob", "cat"]],
  ["a room but its JSON sender", (_, who) => who("bob").to("a").emit("m"), ["ann", "cat"]],
  ["a room but its polling sender", (_, who) => who("cat").to("a").emit("m"), ["ann", "bob"]],
  ["a room the sender isn't in", (_, who) => who("fay").to("a").emit("m"), ["ann", "bob", "cat"]],
  [
    "everyone but the sender",
    (_, w) => w("eve").broadcast.emit("m"),
    ALL.filter((n) => n !== "eve"),
  ],
  ["everyone but a room", (io) => io.except("b").emit("m"), ["bob", "fay"]],
  ["a room but another", (io) => io.to("b").except("c").emit("m"), ["ann", "cat", "dan"]],
  ["a room but itself", (io) => io.to("b").except("b").emit("m"), []],
  [
    "a room but some ids",
    (io, who) =>
      io
        .to("b")
        .except([who("ann").id, who("dan").id, "nobody"])
        .emit("m"),
    ["cat", "eve"],
  ],
  ["overlapping rooms", (io) => io.to(["a", "b"]).emit("m"), ["ann", "bob", "cat", "dan", "eve"]],
  ["disjoint rooms", (io) => io.to("a").to("c").emit("m"), ["ann", "bob", "cat", "eve", "fay"]],
  [
    "overlapping rooms but the sender and a room",
    (_, who) => who("bob").to(["a", "b", "c", "none"]).except("1").emit("m"),
    ["ann", "cat", "eve", "fay"],
  ],
  ["one socket by its id", (io, who) => io.to(who("ann").id).emit("m"), ["ann"]],
  [
    "sockets by their ids, one by a room too",
    (io, who) => io.to([who("ann").id, who("dan").id, "a"]).emit("m"),
    ["ann", "bob", "cat", "dan"],
  ],
  ["a socket by its id but itself", (_, who) => who("ann").to(who("ann").id).emit("m"), []],
  ["nobody", (io) => io.to("none").emit("m"), []],
  ["the room with the empty name", (io) => io.to("").emit("m"), ["cat"]],
  ["the room 1", (io) => io.to(1 as never).emit("m"), ["eve"]],
  ['the room "1"', (io) => io.to("1").emit("m"), ["dan"]],
  ["a room with a huge name", (io) => io.to(HUGE).emit("m"), ["fay"]],
  ["volatile", (io) => io.volatile.to(["b", "c"]).emit("m"), ["ann", "cat", "dan", "eve", "fay"]],
  ["local", (io) => io.local.to("a").emit("m"), ["ann", "bob", "cat"]],
  ["compressed", (io) => io.compress(true).to("a").emit("m"), ["ann", "bob", "cat"]],
];

test("every shape reaches exactly its recipients, and counts them", async (t) => {
  const { gateway, who, got, settled } = await gather(t);
  for (const [title, send, recipients] of SHAPES) {
    const before = await gateway.metric("sluice_deliveries_total");
    send(gateway.io, who);
    await settled();
    const reached = ALL.flatMap((name) => got(name).map(() => name));
    assert.deepEqual(reached, recipients, title);
    const after = await gateway.metric("sluice_deliveries_total");
    assert.equal(after - before, recipients.length, `${title}: deliveries`);
  }
});

test("binary and nested arguments arrive whole in both codecs by every way", async (t) => {
  const { gateway, got, settled } = await gather(t);
  const args = [{ deep: [1, Buffer.from([1, 2, 3]), { t: "ü" }] }, Buffer.alloc(40_000, 7), null];
  gateway.io.emit("m", ...args);
  await settled();
  for (const name of ALL) assert.deepEqual(got(name), [args], name);
});

/** Connects the members; `settled` resolves when each has got everything sent to it before. */
async function gather(t: TestContext) {
  const gateway = await testGateway(t, { limits: { roomBytesMax: 65_536 } });
  const sockets = new Map<string, ServerSocket>();
  gateway.io.on("connection", (socket) => {
    const { name } = socket.handshake.auth;
    sockets.set(name, socket);
    socket.join(MEMBERS[name]?.rooms as string[]);
  });
  const inboxes = new Map<string, unknown[][]>();
  for (const [name, { how }] of Object.entries(MEMBERS)) {
    const client = await gateway.connected({ ...how, auth: { name } });
    const inbox: unknown[][] = [];
    inboxes.set(name, inbox);
    client.on("m", (...args) => inbox.push(args));
    client.on("settle", (done) => done());
  }
  const who = (name: string) => sockets.get(name) ?? assert.fail(name);
  await until(
    () => who("eve").conn.transport.name + who("fay").conn.transport.name === "websocketwebsocket",
    "both upgrades",
  );
  return {
    gateway,
    who,
    got: (name: string) => inboxes.get(name) ?? [],
    async settled() {
      for (const inbox of inboxes.values()) inbox.length = 0;
      // A direct send is in order with the broadcasts before it, so its answer comes after them.
      await Promise.all([...sockets.values()].map((socket) => socket.emitWithAck("settle")));
    },
  };
}
