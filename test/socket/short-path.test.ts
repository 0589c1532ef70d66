import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { EventEmitter, once } from "node:events";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import type { Socket } from "socket.io";
import type { CodecName } from "../../src/core/packet.ts";
import { testGateway } from "../harness/gateway.ts";
import { cases } from "../harness/random.ts";
import { serveApp, type Trace, watch } from "./short-path-app.ts";
import { type Action, type Play, playWire } from "./short-path-player.ts";

const RUNS = process.env.DEEP === "true" ? 2000 : 300;

/** A gateway with the application of the model, and how a client plays actions against it. */
async function openSide(t: TestContext, watched: boolean) {
  const gateway = await testGateway(t, {}, { log: () => {} });
  const traces = new EventEmitter();
  let trace: Trace = [];
  if (watched) watch(gateway.io);
  serveApp(gateway.io, {
    note: (line) => trace.push(line),
    over: () => traces.emit("over"),
  });
  return {
    scrape: gateway.scrape,
    async play(codec: CodecName, chunks: readonly (readonly Action[])[]): Promise<Play> {
      trace = [];
      const over = once(traces, "over");
      const heard = await playWire(gateway.port, codec, chunks);
      await over;
      return { heard, trace };
    },
  };
}

const scalar = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
);
const value = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom("a", "b"), scalar, { noNullPrototype: true }),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
);

/** Events of the application; what each does is in short-path-app.ts. */
const event = fc.record({
  do: fc.constant("event" as const),
  name: fc.constantFrom(
    ...["echo", "echo", "echo", "twice", "later", "order", "send", "publish", "ask", "unheard"],
    ...["throws", "rejects", "cannot", "once", "scope", "leave", "kick", "close"],
  ),
  args: fc.array(value, { maxLength: 3 }),
  acked: fc.boolean(),
  namespace: fc.constantFrom("/", "/", "/other"),
});
const toggle = fc.record({
  do: fc.constant("toggle" as const),
  what: fc.constantFrom(
    ...["any", "anyFirst", "outgoing", "second", "packet", "data", "packetCreate", "flush"],
    ...["drain", "engineFlush", "engineDrain", "transportPacket", "transportDrain", "ready"],
    ...["middleware", "ownAny"],
  ),
});
const other = fc.oneof(
  fc.record({ do: fc.constant("reply" as const), args: fc.array(value, { maxLength: 2 }) }),
  fc.record({ do: fc.constant("join" as const) }),
  fc.record({ do: fc.constant("part" as const), namespace: fc.constantFrom("/", "/other") }),
  fc.record({
    do: fc.constant("raw" as const),
    frame: fc.constantFrom<string | Buffer>(
      ...["4", "49", '42["disconnect"]', '42/nope,["echo"]', "40", "2", "3", "6", "47", "5"],
      ...['451-["echo",{"_placeholder":true,"num":0}]', '42["echo"', "43[]", "43999[1]"],
      Buffer.from([0x81]),
      Buffer.from([0]),
    ),
  }),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: event },
  { weight: 4, arbitrary: toggle },
  { weight: 1, arbitrary: other },
);
const chunks = fc.array(fc.array(action, { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 8,
});

/** Counters, without times and what the machine decides. */
function countersOf(metrics: string): string[] {
  return metrics
    .split("\n")
    .filter((line) => /^sluice_\w+_total[ {]/.test(line) && !/_seconds|_reads/.test(line));
}

test("whoever listens to packets, the application and the client see the same", async (t) => {
  const [plain, watched] = await Promise.all([openSide(t, false), openSide(t, true)]);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom<CodecName>("json", "msgpack"), chunks, async (codec, all) => {
      const [one, two] = await Promise.all([plain.play(codec, all), watched.play(codec, all)]);
      assert.deepEqual(one, two);
      const acked = one.heard.flatMap((line) => /^{"type":3,.*,("id":\d+)}$/.exec(line)?.[1] ?? []);
      assert.equal(new Set(acked).size, acked.length, "an event is acknowledged once");
      const entered = one.trace.filter((line) => line.includes("in scope"));
      // What a middleware enters, its event's listeners see.
      assert.ok(entered.every((line) => /in scope \[(null|"a middleware")\]/.test(line)));
    }),
    { ...cases(RUNS), endOnFailure: false },
  );
  const [one, two] = await Promise.all([plain.scrape(), watched.scrape()]);
  assert.deepEqual(countersOf(one), countersOf(two));
});

/** Calls `turn`, which makes one event arrive, and returns the ticks that pass meanwhile. */
async function countTicks(turn: () => Promise<unknown>): Promise<number> {
  let ticks = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === "TickObject") ticks++;
    },
  }).enable();
  await turn();
  hook.disable();
  return ticks;
}

/** What needs the longer path, and how it is added to a socket and removed. */
const LONGER: readonly (readonly [string, (socket: Socket) => () => unknown])[] = [
  [
    "a catch-all listener",
    (socket) => {
      const listener = () => {};
      socket.onAny(listener);
      return () => socket.offAny(listener);
    },
  ],
  [
    "a listener of the connection's packets",
    (socket) => {
      const listener = () => {};
      socket.conn.on("data", listener);
      return () => socket.conn.off("data", listener);
    },
  ],
];

for (const [what, add] of LONGER) {
  test(`an event takes a tick more while there is ${what}`, async (t) => {
    const gateway = await testGateway(t);
    const { client, socket } = await gateway.joined({ codec: "json" });
    socket.on("echo", (ack: () => void) => ack());
    const ask = () => client.emitWithAck("echo");
    await ask();
    const before = await countTicks(ask);
    const remove = add(socket);
    const meanwhile = await countTicks(ask);
    remove();
    const after = await countTicks(ask);
    assert.deepEqual([meanwhile - before, after - before], [1, 0]);
  });
}
