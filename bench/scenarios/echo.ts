/**
 * Question: what does an event with an acknowledgement cost, and how long does one take?
 * Load:     saturated: each connection keeps 128 events open, sent and read in batches; then open
 *           loop at a fixed rate, one event at a time, for the latency.
 * Control:  bare uWebSockets.js that answers with the same bytes without decoding them.
 * Not for:  the latency of the saturated rounds: a closed loop waits for the slow ones and forgets
 *           them, so it is not even recorded.
 */
import { type Bench, cpuBetween, deliveryOf, membersOf, openBench } from "../rig/bench.ts";
import { type Flag, judgeDelivery, judgeGeneratorLag, judgeSaturation } from "../rig/flags.ts";
import { findPeer, protocolOf } from "../rig/peers.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** Enough that the server has work while the generator sleeps and answers. */
const DEPTH = 128;
const NAP_MS = 1;

interface EchoCase {
  readonly codec: Codec;
  readonly payload: number;
  readonly connections: number;
}

interface How {
  readonly pair: number;
  readonly durationMs: number;
  readonly ratePerS?: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
    const connections = options.number("connections", { quick: 100, short: 100, full: 500 });
    await compare(context, { codec, payload, connections });
  }
}

async function compare(context: Context, one: EchoCase): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 2, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.15, short: 0.12, full: 1 }) * 1000;
  const warmMs = { quick: 300, short: 600, full: 5000 }[options.mode];
  const ratePerS = options.number("rate", { quick: 500, short: 1000, full: 1000 });
  const subjects = context.subjects(undefined, one);
  const joining = { codec: one.codec, groups: membersOf(one.connections) };
  const lanes = await openLanes(context, { what: "echo", subjects }, async (name) => {
    const bench = await openBench(context, name, joining);
    await warmUp(warmMs, (turn) => measureEcho(bench, one, turn));
    return bench;
  });
  const loads = [
    { what: `echo: saturated, ${one.codec}`, blocks, how: { durationMs } },
    {
      what: `echo: ${ratePerS}/s, ${one.codec}`,
      blocks: Math.ceil(blocks / 5),
      how: { durationMs: durationMs * 3, ratePerS },
    },
  ];
  for (const { how, ...load } of loads)
    await measurePairs(
      context,
      { ...load, subjects },
      inLanes(lanes, (bench, { pair }) => measureEcho(bench, one, { ...how, pair })),
    );
  await context.closeAll();
}

async function measureEcho(bench: Bench, one: EchoCase, how: How): Promise<Round> {
  const { subject, generator } = bench;
  const before = await subject.usage();
  const echoed = await generator.echo({
    codec: one.codec,
    protocol: protocolOf(subject.name),
    payloadBytes: one.payload,
    depth: DEPTH,
    napMs: NAP_MS,
    ...how,
  });
  const after = await subject.usage();
  const cpuS = cpuBetween(before, after);
  const wallS = echoed.wallMs / 1000 || 1;
  const client = (echoed.cpuUserS + echoed.cpuSysS) / wallS;
  const server = cpuS / wallS;
  const delayed = (after.runDelayS - before.runDelayS) / wallS;
  const counts = { ...echoed, expected: echoed.sent };
  const { received, latency } = echoed;
  const isOpen = how.ratePerS !== undefined;
  return {
    subject: subject.name,
    params: { ...one, load: isOpen ? `open, ${how.ratePerS}/s` : `saturated, ${DEPTH} open` },
    pair: how.pair,
    values: {
      cpu_us_per_event: (cpuS * 1e6) / Math.max(1, received),
      server_share: server,
      client_share: client,
      ...(isOpen
        ? { p50_us: latency.p50, p99_us: latency.p99, generator_late_us_max: echoed.lateUsMax }
        : { events_per_s: received / wallS }),
    },
    delivery: deliveryOf(counts),
    ...(isOpen ? { latency } : {}),
    flags: [
      ...judgeAcks(subject.name, counts),
      ...(isOpen
        ? judgeGeneratorLag(echoed.lag.p99Us)
        : judgeSaturation({ server, client, waiting: Math.max(0, 1 - server - delayed) })),
    ],
  };
}

/** Acks must come once each, and in order unless a peer's events have tasks of their own. */
function judgeAcks(subject: string, counts: Parameters<typeof judgeDelivery>[0]): Flag[] {
  const inAnyOrder = findPeer(subject)?.isConcurrent ?? false;
  return judgeDelivery(counts).filter(({ code }) => !inAnyOrder || code !== "reordered");
}

/** Event with ack. */
export const scenario: Scenario = {
  name: "echo",
  question: "What does an event with an acknowledgement cost, and how long does one take?",
  metrics: [
    {
      name: "cpu_us_per_event",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per event received and acknowledged.",
      ratio: true,
    },
    {
      name: "events_per_s",
      unit: "/s",
      better: "higher",
      text: "Events acknowledged per second while the server was saturated.",
      ratio: false,
    },
    {
      name: "p50_us",
      unit: "µs",
      better: "lower",
      text: "From an event's scheduled time to its ack, median, open loop only.",
      ratio: false,
    },
    { name: "p99_us", unit: "µs", better: "lower", text: "The same, 99th.", ratio: true },
  ],
  seconds: { quick: 5, short: 14, full: 100 },
  run,
};
