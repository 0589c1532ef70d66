/**
 * Question: what does an event cost that a function answers, and how many can be answered?
 * Load:     saturated: each connection keeps one event with ack open, which is an HTTP call to a
 *           function on the client's core that hands the argument back.
 * Control:  stock Socket.IO whose handler makes the same call with undici, without signature,
 *           order, breaker or retries.
 * Not for:  a function's own time, or its distance: this one answers at once from the same machine.
 */
import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import { judgeDelivery, judgeSaturation } from "../rig/flags.ts";
import type { Child } from "../rig/process.ts";
import { spawnChild } from "../rig/process.ts";
import { type Bench, deliveryOf, openBench } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { readCodec } from "./words.ts";

/** With more of them the control's answers overtake each other, and its rounds would be void. */
const DEPTH = 1;
const WARM_MS = 500;

interface UpstreamCase {
  readonly codec: "json" | "msgpack";
  readonly payload: number;
  readonly connections: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.2, short: 0.25, full: 1 }) * 1000;
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const connections = options.number("connections", { quick: 64, short: 256, full: 256 });
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const one = { codec, payload, connections };
    const subjects = context.subjects(["stock-uws"]);
    const target = spawnChild(context.script("function"), context.placement.client, "the function");
    context.started(target.pid);
    try {
      // The answer's shape is that of bench/subjects/function.ts.
      const { url } = (await target.call("start")) as { url: string };
      const benches = new Map<string, Bench>();
      for (const name of subjects) {
        context.say(`upstream: ${name} connects`);
        const room = { codec, shape: "namespace", members: connections } as const;
        const bench = await openBench(context, name, room, { callUrl: url });
        benches.set(name, bench);
        await measureCalls(bench, target, one, { pair: 0, durationMs: WARM_MS });
      }
      for (const { subject, pair } of context.interleave(subjects, blocks)) {
        context.say(`upstream: pair ${pair + 1} of ${blocks * 2}, ${subject}`);
        const bench = benches.get(subject);
        if (bench) context.record(await measureCalls(bench, target, one, { pair, durationMs }));
      }
    } finally {
      await target.end();
    }
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
    napMs: 0,
  });
  const after = await subject.usage();
  const functionS = (await functionCpuS()) - functionBefore;
  const cpuS = after.cpuUserS + after.cpuSysS - before.cpuUserS - before.cpuSysS;
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
  run,
};
