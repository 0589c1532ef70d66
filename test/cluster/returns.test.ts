/** Who comes back gets what was for it when it was sent: in memory, and over Redis at another node. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import type { PartialSettings } from "../../src/core/settings.ts";
import type { ClientOptions } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { lost, nodesOver, secretOf } from "./kit.ts";

type Stage = Awaited<ReturnType<typeof setStage>>;

/** Plays one test in memory, where both nodes are one, and over Redis. */
function both(
  title: string,
  play: (stage: Stage) => Promise<void>,
  more: PartialSettings & { readonly codec?: ClientOptions["codec"] } = {},
): void {
  for (const where of ["in memory", "over Redis"] as const) {
    test(`${where}: ${title}`, async (t) => {
      if (where === "over Redis" && !hasTool(t, "redis-server")) return;
      const { codec = "msgpack", ...settings } = more;
      await play(await setStage(t, where === "over Redis", { codec, settings }));
    });
  }
}

/** Connects a client to node A, by a switch, whose socket is in a room. */
async function setStage(
  t: TestContext,
  byRedis: boolean,
  { codec, settings }: { readonly codec: "msgpack" | "json"; readonly settings: PartialSettings },
) {
  const redis = byRedis ? await testRedis(t) : undefined;
  const [a, b] = await nodesOver(t, redis, settings);
  const witnesses = await Promise.all([a, b].map((node) => node.connected()));
  const marks = witnesses.map((witness) => {
    const heard: unknown[] = [];
    witness.on("mark", (mark) => heard.push(mark));
    return heard;
  });
  let last = 0;
  const door = await tcpSwitch(t, a.port);
  const client = a.client({ codec });
  (client.io as unknown as { uri: string }).uri = door.url;
  const heard: unknown[] = [];
  client.on("n", (n) => heard.push(n));
  const arrived = next<[ServerSocket]>(a.io, "connection");
  await next(client.connect(), "connect");
  const [socket] = await arrived;
  socket.join("room");
  const gone = next(socket, "disconnect");
  return {
    ...{ a, b, client, socket, heard, door, id: socket.id },
    /** Waits until whatever was emitted and commanded is done on both nodes. */
    async done() {
      for (const node of [a, b]) {
        last++;
        node.io.emit("mark", last);
        await until(() => marks.every((list) => list.includes(last)), "a mark");
      }
    },
    async hears(n: unknown) {
      a.io.to(socket.id).emit("n", n);
      await until(() => heard.includes(n), "an event");
    },
    /** Cuts the connection, with what was stalled, and waits until the session is kept. */
    async lose() {
      door.flow();
      await gone;
      if (redis) await until(() => lost(redis, secretOf(client)), "the session");
      await until(() => !client.connected, "the client's own disconnect");
      door.to(b.port);
    },
    /** Comes back to node B, and hears one more event. */
    async back() {
      const returned = next<[ServerSocket]>(b.io, "connection");
      await next(client.connect(), "connect");
      b.io.emit("n", "last");
      await until(() => heard.includes("last"), "the last event");
      return (await returned)[0];
    },
  };
}

both(
  "what was sent to a member that was lost comes, though it was taken out since",
  async (stage) => {
    // Seen: `recovered: true`, and a hole. What was missed was looked for in the rooms of the end: not
    // in those that the server took the socket out of before it noticed the loss.
    const { a, client, socket, id, heard, door, done } = stage;
    await stage.hears(0);
    door.stall();
    a.io.to("room").emit("n", "while a member");
    a.io.in(id).socketsLeave("room");
    a.io.to("room").emit("n", "after");
    socket.emit("n", "direct");
    await done();
    await stage.lose();
    const back = await stage.back();
    assert.deepEqual([client.recovered, back.rooms.has("room")], [true, false]);
    assert.deepEqual(heard, [0, "while a member", "direct", "last"]);
  },
);

both(
  "a room's history from before the join is not given, nor what was kept from it",
  async (stage) => {
    // Seen: who joined a room and dropped was sent what it had got since the client's last event.
    const { a, b, client, socket, id, heard, door, done } = stage;
    await stage.hears(0);
    door.stall();
    a.io.to("late").emit("n", "secret");
    a.io.except("late").emit("n", "not in there yet");
    a.io.except("room").emit("n", "kept from it");
    await done();
    b.io.in(id).socketsJoin("late"); // by another node
    await done();
    a.io.except("late").emit("n", "kept from it now");
    b.io.to("late").emit("n", "for a member");
    await done();
    socket.join("later");
    b.io.to("later").emit("n", "for one of the process");
    await done();
    await stage.lose();
    await stage.back();
    assert.equal(client.recovered, true);
    const expected = [0, "not in there yet", "for a member", "for one of the process", "last"];
    assert.deepEqual(heard, expected);
  },
);

both("who leaves and joins again gets what came while it was in", async (stage) => {
  const { a, b, client, id, heard, door, done } = stage;
  await stage.hears(0);
  door.stall();
  for (let round = 1; round <= 3; round++) {
    a.io.to("room").emit("n", `in ${round}`);
    a.io.in(id).socketsLeave("room");
    a.io.to("room").emit("n", `out ${round}`);
    a.io.in(id).socketsJoin("room");
  }
  a.io.to("room").emit("n", "in");
  await done();
  await stage.lose();
  b.io.to("room").emit("n", "away");
  await stage.back();
  assert.equal(client.recovered, true);
  assert.deepEqual(heard, [0, "in 1", "in 2", "in 3", "in", "away", "last"]);
});

both(
  "who is taken out of rooms, or put into some, while it is away is so at its return",
  async (stage) => {
    // Seen: who was banned from a room while it was away had it back, and what was said there. Only
    // sockets that were connected were looked at.
    const { a, b, client, id, heard, done } = stage;
    await stage.hears(0);
    await stage.lose();
    b.io.to("room").emit("n", "before");
    b.io.in("room").socketsLeave("room");
    b.io.to("room").emit("n", "out");
    b.io.to("new").emit("n", "not in yet");
    await done();
    a.io.in(id).socketsJoin(["new", "other"]);
    a.io.to("new").emit("n", "in");
    a.io.except("other").emit("n", "kept from it");
    await done();
    const back = await stage.back();
    assert.deepEqual([...back.rooms].sort(), [id, "new", "other"].sort());
    assert.deepEqual([client.recovered, heard], [true, [0, "before", "in", "last"]]);
  },
);

both("who is disconnected while it is away begins anew", async (stage) => {
  const { b, client, heard, id, done } = stage;
  await stage.hears(0);
  await stage.lose();
  b.io.to("room").emit("n", "missed");
  b.io.in(id).disconnectSockets();
  await done();
  await stage.back();
  assert.deepEqual([client.recovered, heard], [false, [0, "last"]]);
});

both(
  "what is done to a client that a middleware looks at is done, and what it lost again comes",
  async (stage) => {
    const { a, b, client, socket, id, heard, door, done } = stage;
    await stage.hears(0);
    door.stall();
    a.io.to("late").emit("n", "before the join");
    await done();
    socket.join("late");
    a.io.to("late").emit("n", 1);
    await done();
    await stage.lose();
    let enter: (() => void) | undefined;
    b.io.use((_socket, go) => {
      enter = go;
    });
    client.connect();
    await until(() => enter !== undefined, "the middleware");
    b.io.to("room").emit("n", 2);
    b.io.in(id).socketsLeave("room");
    b.io.to("room").emit("n", "out");
    b.io.in(id).socketsJoin("new");
    b.io.to("new").emit("n", 3);
    await done();
    // It is in again, and gone before it has heard a word.
    door.stall();
    const arrived = next<[ServerSocket]>(b.io, "connection");
    enter?.();
    const [half] = await arrived;
    assert.deepEqual([...half.rooms].sort(), [id, "late", "new"].sort());
    const gone = next(half, "disconnect");
    b.io.to("late").emit("n", 4);
    await done();
    half.leave("late");
    b.io.to("late").emit("n", "out");
    await done();
    door.flow();
    await gone;
    await until(() => client.io._readyState === "closed", "its own end");
    await done();
    enter = undefined;
    const back = next<[ServerSocket]>(b.io, "connection");
    const connected = next(client.connect(), "connect");
    await until(() => enter !== undefined, "the middleware again");
    (enter as unknown as () => void)();
    assert.deepEqual([...(await back)[0].rooms].sort(), [id, "new"].sort());
    await connected;
    b.io.emit("n", "last");
    await until(() => heard.includes("last"), "the last event");
    assert.deepEqual([client.recovered, heard], [true, [0, 1, 2, 3, 4, "last"]]);
  },
);

for (const offset of [undefined, "abcd.0", "1-1", "1-1.2-2", `${"9".repeat(17)}-1`]) {
  both(
    `who returns before its first event, with the offset ${offset}, gets all since it connected`,
    async (stage) => {
      // Seen: `recovered: false`. Socket.IO's clients send no offset then, or the last one of an earlier
      // session, of which this one's adapter knows nothing.
      const { a, b, client, socket, id, heard, door, done } = stage;
      door.stall();
      a.io.to("room").emit("n", 1);
      socket.emit("n", 2);
      await done();
      await stage.lose();
      b.io.emit("n", 3);
      await done();
      assert.equal(Reflect.get(client, "_lastOffset"), undefined);
      Object.assign(client as object, { _lastOffset: offset });
      const back = await stage.back();
      assert.deepEqual([client.recovered, client.id, heard], [true, id, [1, 2, 3, "last"]]);
      assert.equal(back.handshake.auth.offset, offset);
    },
  );
}

both(
  "with the offset of its session before, the namespace's history between the two is not given",
  async (stage) => {
    // Seen: whatever the namespace had got since that offset was sent, by a session that began later.
    const { a, client, socket, heard, door, done } = stage;
    await stage.hears(0);
    const ended = next(client, "disconnect");
    socket.disconnect();
    await ended;
    a.io.emit("n", "between");
    await done();
    const arrived = next<[ServerSocket]>(a.io, "connection");
    await next(client.connect(), "connect");
    const [second] = await arrived;
    assert.equal(client.recovered, false);
    const gone = next(second, "disconnect");
    door.stall();
    a.io.emit("n", 1);
    await done();
    door.flow();
    await gone;
    await stage.lose();
    await stage.back();
    assert.deepEqual([client.recovered, heard], [true, [0, 1, "last"]]);
  },
);

for (const codec of ["msgpack", "json"] as const) {
  both(
    `${codec}: no event that ends in text, whatever its kind, costs its client the way back`,
    async (stage) => {
      // Seen: `recovered: false`. A client takes the text that an event ends in for its offset, the
      // event's name if there is nothing else, and what is volatile carried none.
      const { a, b, client, socket, id, heard } = stage;
      const any: unknown[] = [];
      client.onAny((name, ...args) => {
        any.push(name);
        if (typeof args.at(-1) === "function") args.at(-1)("yes");
      });
      await stage.hears(0);
      const kinds: Record<string, (event: string) => unknown> = {
        everyone: (event) => a.io.volatile.emit(event),
        room: (event) => b.io.to("room").volatile.emit(event, "text"),
        direct: (event) => socket.volatile.emit(event, "text"),
        bytes: (event) => socket.volatile.emit(event, Buffer.of(1), "text"),
        local: (event) => a.io.local.emit(event, "text"),
        ack: (event) => socket.emit(event, "text", () => {}),
        asked: (event) => a.io.to("room").timeout(10_000).emitWithAck(event, "text"),
        remote: (event) => b.io.in(id).timeout(10_000).emitWithAck(event, "text"),
      };
      for (const [kind, send] of Object.entries(kinds)) {
        await send(kind);
        await until(() => any.includes(kind), kind);
        assert.ok(!["text", kind].includes(secretOf(client).offset), kind);
      }
      socket.volatile.emit("last kind", "text");
      await until(() => any.includes("last kind"), "the last before the loss");
      await stage.lose();
      b.io.to("room").emit("n", "missed");
      await stage.back();
      assert.deepEqual([client.recovered, heard], [true, [0, "missed", "last"]]);
    },
    { codec },
  );
}

const FEW = { recovery: { windowMs: 60_000, roomChangesMax: 4 } };

both(
  "more changes than are remembered cost the way back to before them, and no other",
  async (stage) => {
    const { client, socket, heard } = stage;
    for (let n = 1; n <= 20; n++) {
      socket.join(`r${n}`);
      await stage.hears(n);
    }
    await stage.lose();
    await stage.back();
    assert.deepEqual([client.recovered, heard.length], [true, 21]);
  },
  FEW,
);

both(
  "who returns from before the oldest change that is remembered begins anew",
  async (stage) => {
    const { a, client, socket, door, done } = stage;
    await stage.hears(0);
    door.stall();
    for (let n = 1; n <= 5; n++) {
      a.io.to("other").emit("n", n);
      await done();
      socket.join(`r${n}`);
    }
    await done();
    await stage.lose();
    await stage.back();
    assert.equal(client.recovered, false);
  },
  FEW,
);
