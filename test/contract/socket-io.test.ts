/** Socket.IO protocol v5, over the wire, against the stock implementation and against Sluice. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { CodecName, Packet } from "../../src/core/packet.ts";
import { until } from "../harness/wait.ts";
import {
  openSession,
  type SessionEnded,
  speak,
  type WireClient,
  type WireTransport,
} from "../harness/wire-io.ts";
import type { EnginePacket } from "../harness/wire-speech.ts";
import { type ContractApp, createContractApp } from "./app.ts";
import { ANY_NUMBER, ANY_TEXT, ENDINGS, SOCKET_ROWS, type SocketRow } from "./socket-rows.ts";
import { type Started, TARGETS, type Target } from "./targets.ts";

const TRANSPORTS: readonly WireTransport[] = ["polling", "websocket", "upgraded"];

for (const target of TARGETS) {
  describe(`Socket.IO: ${target.name}`, () => suite(target));
}

function suite(target: Target): void {
  const app = createContractApp();
  let started: Started;
  before(async () => {
    started = await target.start({}, app.install);
  });
  after(() => started.stop());

  for (const codec of target.codecs) {
    for (const transport of TRANSPORTS) {
      describe(`${codec} over ${transport}`, () => {
        for (const row of SOCKET_ROWS.filter((one) => isFor(one, codec))) {
          test(row.title, () => converse(started.port, { transport, codec, row, app, target }));
        }
        test("events stay in order, whatever they carry", () =>
          keepsOrder(started.port, transport, codec));
      });
    }
  }

  for (const codec of target.codecs) {
    for (const [what, packet] of ENDINGS) {
      test(`${what} over long-polling: first what was sent before, in ${codec}`, () =>
        hearsTheRest(started.port, codec, packet));
    }
  }

  test("a connection that joins no namespace is closed after the connect timeout", async () => {
    const short = await target.start({ connectTimeout: 200 }, app.install);
    const session = await openSession(short.port, "websocket");
    assert.ok([1000, 1005].includes(Number((await session.ended()).code)));
    await short.stop();
  });

  test("a client that leaves is told to the application in the documented words", async () => {
    const codec = target.codecs[0] ?? "json";
    for (const [leave, reason] of LEAVINGS) {
      const client = speak(await openSession(started.port, "websocket"), codec);
      await client.say({ type: 0, nsp: "/" });
      const { sid } = (await client.hear()).data as { sid: string }; // CONNECT's answer
      await leave(client);
      await until(() => app.reasons.has(sid), "disconnect");
      assert.equal(app.reasons.get(sid), reason);
      client.close();
    }
  });
}

const LEAVINGS: readonly (readonly [(client: WireClient) => unknown, string])[] = [
  [(client) => client.say({ type: 1, nsp: "/" }), "client namespace disconnect"],
  [(client) => client.close(), "transport close"],
  [(client) => client.session.close("reset"), "transport close"],
];

/** Two events wait for a poll when the close comes; what the client sends then is taken. */
async function hearsTheRest(port: number, codec: CodecName, last: Packet) {
  const client = speak(await openSession(port, "polling"), codec);
  const { session } = client;
  await client.say({ type: 0, nsp: "/" });
  await client.hear();
  for (const n of [1, 2]) await client.say({ type: 2, nsp: "/", data: ["say", n] });
  await client.say(last);
  await client.say({ type: 2, nsp: "/", data: ["say", "too late"] });
  for (const n of [1, 2]) assert.deepEqual((await client.hear()).data, ["said", n]);
  const rest: EnginePacket[] = [];
  const take = async () => {
    for (;;) rest.push(await session.next());
  };
  await assert.rejects(take(), (error: SessionEnded) => error.answer?.status === 400);
  assert.equal(rest.at(-1), "1", "the close packet is the last");
  assert.ok(!rest.some((packet) => String(packet).includes("late")));
  client.close();
}

function isFor(row: SocketRow, codec: CodecName): boolean {
  return row.steps.every((step) => !("raw" in step) || step.raw[codec] !== undefined);
}

interface Conversation {
  readonly transport: WireTransport;
  readonly codec: CodecName;
  readonly row: SocketRow;
  readonly app: ContractApp;
  readonly target: Target;
}

async function converse(port: number, talk: Conversation) {
  const client = speak(await openSession(port, talk.transport), talk.codec);
  try {
    await walk(client, talk);
  } finally {
    client.close();
  }
}

async function walk(client: WireClient, { codec, row, app, target }: Conversation): Promise<void> {
  let sid = "";
  let heard: Packet | undefined;
  for (const step of row.steps) {
    if ("say" in step) await client.say(step.say);
    else if ("raw" in step) await client.session.send(...(step.raw[codec] ?? []));
    else if ("hear" in step) {
      const packet = plain(await client.hear());
      heard = packet;
      assert.deepEqual(packet, fill(step.hear, packet));
      if (sid === "" && packet.type === 0) sid = (packet.data as { sid: string }).sid; // CONNECT's answer
    } else if ("answer" in step) {
      await client.say({ type: 3, nsp: "/", id: heard?.id ?? -1, data: step.answer });
    } else {
      await client.session.ended();
      if (step.reason === undefined) continue;
      await until(() => app.reasons.has(sid), "disconnect on the server");
      const reason = app.reasons.get(sid) ?? "";
      if (typeof step.reason !== "string") assert.match(reason, step.reason);
      else assert.equal(reason, target.words[step.reason] ?? step.reason);
    }
  }
}

/** A packet without what decoders add of their own: undefined fields and attachment counts. */
function plain(packet: Packet): Packet {
  const { type, nsp, id, data } = packet;
  return {
    type,
    nsp,
    ...(id === undefined ? {} : { id }),
    ...(data === undefined ? {} : { data: type === 0 ? JSON.parse(JSON.stringify(data)) : data }),
  };
}

/** The expected value with every {@link ANY_TEXT} replaced by the text that came. */
function fill(expected: unknown, actual: unknown): unknown {
  if (expected === ANY_TEXT || expected === ANY_NUMBER) {
    assert.equal(typeof actual, expected === ANY_TEXT ? "string" : "number");
    return actual;
  }
  if (Buffer.isBuffer(expected) || typeof expected !== "object" || expected === null) {
    return expected;
  }
  const other = (actual ?? {}) as Record<string, unknown>; // read by key only
  if (Array.isArray(expected)) return expected.map((value, i) => fill(value, other[i]));
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => [key, fill(value, other[key])]),
  );
}

async function keepsOrder(port: number, transport: WireTransport, codec: CodecName) {
  const client = speak(await openSession(port, transport), codec);
  await client.say({ type: 0, nsp: "/" });
  await client.hear();
  const count = 60;
  for (let n = 0; n < count; n++) {
    const name = n % 3 === 0 ? "all" : "say";
    const extra = n % 4 === 0 ? [Buffer.from([n])] : ["x".repeat(n * 50)];
    await client.say({ type: 2, nsp: "/", data: [name, client.session.sid, n, ...extra] });
  }
  for (let expected = 0; expected < count; ) {
    const [, from, n] = (await client.hear()).data as unknown[]; // every event of the app is a list
    if (from !== client.session.sid) continue;
    assert.equal(n, expected);
    expected += 1;
  }
  client.close();
}
