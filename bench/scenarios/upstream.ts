/**
 * Question: what does an event cost that a function answers, and how many can be answered?
 * Load:     saturated: each connection keeps one event with ack open, which is an HTTP call to a
 *           function on the client's core that hands the argument back.
 * Control:  stock Socket.IO whose handler makes the same call with undici, without signature,
 *           order, breaker or retries.
 * Not for:  a function's own time, or its distance: this one answers at once from the same machine.
 */
import { type Bench, cpuBetween, deliveryOf, membersOf, openBench } from "../rig/bench.ts";
import { judgeDelivery, judgeSaturation } from "../rig/flags.ts";
import type { Child } from "../rig/process.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** With more of them the control's answers overtake each other, and its rounds would be void. */
const DEPTH = 1;
/** Calls are answered and sent on in batches: the clients share their core with the function. */
const NAP_MS = 2;

interface UpstreamCase {
  readonly codec: Codec;
  readonly payload: number;
  readonly connections: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.2, short: 0.25, full: 1 }) * 1000;
  const warmMs = { quick: 500, short: 1500, full: 10_000 }[options.mode];
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const connections = options.number("connections", { quick: 64, short: 256, full: 256 });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const one = { codec, payload, connections };
    const subjects = context.subjects(["stock-uws"]);
    const target = await context.openProcess("function", "client");
    // The answer's shape is that of bench/subjects/function.ts.
    const { url: callUrl } = (await target.call("start")) as { url: string };
    const joining = { codec, groups: membersOf(connections) };
    const what = `upstream: ${connections} connections, ${codec}`;
    const lanes = await openLanes(context, { what, subjects }, async (name) => {
      const bench = await openBench(context, name, joining, { callUrl });
      await warmUp(warmMs, (turn) => measureCalls(bench, target, one, turn));
      return bench;
    });
    await measurePairs(
      context,
      { what, subjects, blocks },
      inLanes(lanes, (bench, { pair }) => measureCalls(bench, target, one, { pair, durationMs })),
    );
    await context.closeAll();
  }
}

async function measureCalls(
  bench: Bench,
  target: Child,
  one: UpstreamCase,
  how: { pair: number; durationMs: number },
): Promise<Round> {
  const { subject, generator } = bench;
  const functionCpuS = async () => ((await target.call("usage")) as { cpuS: number }).cpuS;
  const functionBefore = await functionCpuS();
  const before = await subject.usage();
  const echoed = await generator.echo({
    codec: one.codec,
    payloadBytes: one.payload,
    durationMs: how.durationMs,
    depth: DEPTH,
    napMs: NAP_MS,
  });
  const after = await subject.usage();
  const functionS = (await functionCpuS()) - functionBefore;
  const cpuS = cpuBetween(before, after);
  const wallS = echoed.wallMs / 1000 || 1;
  const server = cpuS / wallS;
  const client = (echoed.cpuUserS + echoed.cpuSysS + functionS) / wallS;
  const delayed = (after.runDelayS - before.runDelayS) / wallS;
  const counts = { ...echoed, expected: echoed.sent };
  return {
    subject: subject.name,
    params: { ...one },
    pair: how.pair,
    values: {
      cpu_us_per_call: (cpuS * 1e6) / Math.max(1, echoed.received),
      calls_per_s: echoed.received / wallS,
      function_us_per_call: (functionS * 1e6) / Math.max(1, echoed.received),
      server_share: server,
      client_share: client,
    },
    delivery: deliveryOf(counts),
    flags: [
      ...judgeDelivery(counts),
      ...judgeSaturation({ server, client, waiting: Math.max(0, 1 - server - delayed) }),
    ],
  };
}

/** Calls to functions. */
export const scenario: Scenario = {
  name: "upstream",
  question: "What does an event cost that a function answers, and how many can be answered?",
  metrics: [
    {
      name: "cpu_us_per_call",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per event that a function answered.",
      ratio: true,
    },
    {
      name: "calls_per_s",
      unit: "/s",
      better: "higher",
      text: "Events answered per second while the server was saturated.",
      ratio: false,
    },
    {
      name: "function_us_per_call",
      unit: "µs",
      better: "lower",
      text: "The function's own CPU per call.",
      ratio: false,
    },
  ],
  seconds: { quick: 3, short: 10, full: 60 },
  run,
};
