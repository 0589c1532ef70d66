import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import type { CodecName } from "../../src/core/packet.ts";
import { collect } from "../harness/clients.ts";
import { type TestGateway, testGateway, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const CODECS = ["msgpack", "json"] as const;
const NAMES = Object.keys(WAYS) as (keyof typeof WAYS)[]; // the keys of the record, by its definition

/** One of the six kinds of client. */
interface Member {
  readonly name: string;
  readonly codec: CodecName;
  readonly socket: Socket;
}

// What both codecs can carry; the sizes reach beyond a slab and beyond uWebSockets.js' cork.
const BODIES: readonly unknown[] = [
  "text with ünïcode 😀",
  { nested: { list: [1, -2.5, true, null, ["deep", { er: "still" }]], empty: {} } },
  Buffer.from([0, 1, 254, 255]),
  { left: Buffer.from("left"), list: [Buffer.alloc(20_000, 7), { right: Buffer.alloc(0) }] },
  "x".repeat(40_000),
];

async function sixClients(t: TestContext): Promise<{ gateway: TestGateway; members: Member[] }> {
  const gateway = await testGateway(t);
  gateway.io.on("connection", (socket) => {
    socket.join("room");
    if (socket.handshake.query.codec === "msgpack") socket.join("msgpack only");
    socket.on("tell", async (to: string, body: unknown, done: (answer: unknown) => void) => {
      const answers = await gateway.io.to(to).timeout(5000).emitWithAck("told", socket.id, body);
      done(answers[0]);
    });
    socket.on("say", (body: unknown) => socket.to("room").emit("said", socket.id, body));
  });
  const kinds = CODECS.flatMap((codec) => NAMES.map((way) => ({ codec, way })));
  const members = await Promise.all(
    kinds.map(async ({ codec, way }) => {
      const client = gateway.client({ codec, transports: [...WAYS[way]], query: { codec } });
      await next(client.connect(), "connect");
      await until(() => transportOf(client) === WAYS[way].at(-1), `${codec} ${way}`);
      return { name: `${codec} ${way}`, codec, socket: client };
    }),
  );
  return { gateway, members };
}

function transportOf(client: Socket): string {
  return client.io.engine.transport.name;
}

test("six kinds of client tell each other anything and answer, every pair, both ways", async (t) => {
  const { members } = await sixClients(t);
  for (const { socket } of members) {
    socket.on("told", (from: string, body: unknown, done: (answer: unknown) => void) =>
      done({ from, by: socket.id, body }),
    );
  }
  for (const from of members) {
    for (const to of members) {
      const answers = await Promise.all(
        BODIES.map((body) => from.socket.timeout(5000).emitWithAck("tell", to.socket.id, body)),
      );
      const expected = BODIES.map((body) => ({ from: from.socket.id, by: to.socket.id, body }));
      assert.deepEqual(answers, expected, `${from.name} → ${to.name}`);
    }
  }
});

test("what one kind of client says, the five others hear once, unchanged and in order", async (t) => {
  const { members } = await sixClients(t);
  const heard = members.map(({ socket }) => collect(socket));
  for (const { socket } of members) {
    for (const body of BODIES) socket.emit("say", body);
  }
  const wanted = (members.length - 1) * BODIES.length;
  await until(() => heard.every((events) => events.length >= wanted), "all of it was heard");
  members.forEach((listener, i) => {
    for (const speaker of members) {
      const from = heard[i]?.filter(([, id]) => id === speaker.socket.id);
      const expected = BODIES.map((body) => ["said", speaker.socket.id, body]);
      assert.deepEqual(
        from,
        speaker === listener ? [] : expected,
        `${speaker.name} → ${listener.name}`,
      );
    }
  });
});

test("a broadcast is encoded once for each codec that has a recipient, and not for the other", async (t) => {
  const { gateway, members } = await sixClients(t);
  const heard = members.map(({ socket }) => collect(socket));
  const count = async () => ({
    msgpack: await gateway.metric("sluice_codec_encoded_total", { codec: "msgpack" }),
    json: await gateway.metric("sluice_codec_encoded_total", { codec: "json" }),
  });
  const before = await count();
  gateway.io.to("room").emit("both", Buffer.from("b"));
  assert.deepEqual(await count(), { msgpack: before.msgpack + 1, json: before.json + 1 });
  gateway.io.to("msgpack only").emit("one");
  assert.deepEqual(await count(), { msgpack: before.msgpack + 2, json: before.json + 1 });
  gateway.io.to("nobody").emit("none");
  assert.deepEqual(await count(), { msgpack: before.msgpack + 2, json: before.json + 1 });
  await until(
    () => members.every(({ codec }, i) => heard[i]?.length === (codec === "msgpack" ? 2 : 1)),
    "everyone got theirs",
  );
  for (const codec of CODECS) {
    assert.equal(await gateway.metric("sluice_connections", { codec }), NAMES.length);
  }
});

for (const codec of CODECS) {
  for (const way of NAMES) {
    test(`a ${codec} client by ${way} is told in its codec that a namespace is unknown`, async (t) => {
      const gateway = await testGateway(t);
      const transports = [...WAYS[way]];
      const client = gateway.client({ codec, transports, namespace: "/unknown" });
      const [error] = await next<[Error]>(client.connect(), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    });
  }
}

for (const [accept, other] of [
  ["msgpack", "json"],
  ["json", "msgpack"],
] as const) {
  for (const way of NAMES) {
    test(`codec.accept ${accept}: a ${other} client by ${way} is told why and let go`, async (t) => {
      const gateway = await testGateway(t, { codec: { accept } });
      const transports = [...WAYS[way]];
      const welcome = await gateway.connected({ codec: accept, transports });
      const client = gateway.client({ codec: other, transports });
      const [error] = await next<[Error & { data?: unknown }]>(client.connect(), "connect_error");
      assert.equal(
        error.message,
        `Codec not accepted: this client speaks ${other}, the gateway ${accept} only`,
      );
      assert.deepEqual(error.data, { code: "CODEC_NOT_ACCEPTED" });
      await until(
        async () =>
          (await gateway.metric("sluice_connections_closed_total", { reason: "bad_packet" })) === 1,
        "its connection was closed as bad_packet",
      );
      const reason = { reason: "CODEC_NOT_ACCEPTED" };
      assert.equal(await gateway.metric("sluice_codec_refused_total", reason), 1);
      assert.equal(await gateway.metric("sluice_connections"), 1);
      assert.ok(welcome.connected);
    });
  }
}

for (const [codec, way] of CODECS.flatMap((one) => NAMES.map((name) => [one, name] as const))) {
  test(`a ${codec} client by ${way} that sends a reserved event is closed, its neighbour is not`, async (t) => {
    const gateway = await testGateway(t);
    const reasons: string[] = [];
    gateway.io.on("connection", (socket) => socket.on("disconnect", (why) => reasons.push(why)));
    const neighbour = await gateway.connected({ codec });
    const client = await gateway.connected({ codec, transports: [...WAYS[way]] });
    await until(() => transportOf(client) === WAYS[way].at(-1), way);
    const gone = next(client, "disconnect");
    // The client's own emit() refuses the name, so the packet goes past it.
    const { encoder, engine } = client.io as unknown as {
      encoder: { encode(packet: object): (string | Buffer)[] };
      engine: { write(frame: string | Buffer): void };
    }; // both are there in socket.io-client 4
    for (const frame of encoder.encode({ type: 2, nsp: "/", data: ["disconnect", "spoofed"] })) {
      engine.write(frame);
    }
    await gone;
    await until(() => reasons.length > 0, "the server heard of it");
    assert.deepEqual(reasons, ["parse error"]);
    const reason = { reason: "CODEC_RESERVED_EVENT" };
    assert.equal(await gateway.metric("sluice_codec_refused_total", reason), 1);
    assert.ok(neighbour.connected);
  });
}

test("codec.accept msgpack: Engine.IO 3 clients, who speak JSON only, are turned away", async (t) => {
  // Seen: they are in the main namespace before they say a word, so that one that stayed silent got
  // every broadcast, in JSON.
  const settings = { allowEio3: true };
  const refusing = await testGateway(t, { socket: settings, codec: { accept: "msgpack" } });
  const path = "/socket.io/?EIO=3&transport=polling";
  const refused = await fetch(refusing.url + path);
  assert.equal(refused.status, 400);
  assert.equal(((await refused.json()) as { code: number }).code, 5);
  for (const accept of ["json", "both"] as const) {
    const letting = await testGateway(t, { socket: settings, codec: { accept } });
    const opened = await fetch(letting.url + path);
    assert.equal(opened.status, 200);
    assert.match(await opened.text(), /"sid"/);
  }
});
