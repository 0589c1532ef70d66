/**
 * Question: how late is a broadcast at a member, against the offered load, up to the knee?
 * Load:     open loop: message n is due at start + n / rate whatever became of the ones before, and
 *           latency counts from then; the rate rises until p99 exceeds 100 ms or it is missed.
 * Control:  bare uWebSockets.js on the same schedule with the same bytes.
 * Not for:  a real network; timers of the schedule have a grain of 1 ms, for all subjects alike.
 */
import { type Bench, deliveryOf } from "../rig/bench.ts";
import { judgeClient, judgeDelivery, judgeGeneratorLag, makeFlag } from "../rig/flags.ts";
import { pace } from "../rig/paced.ts";
import { inLanes, measurePairs, openLanes } from "../rig/rounds.ts";
import { openRoom } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { witness } from "../rig/witness.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** Beyond this, users notice and queues only grow. */
const KNEE_P99_US = 100_000;
const FIRST_RATE = 100;
const RATE_MAX = 200_000;

interface Step {
  readonly codec: Codec;
  readonly members: number;
  readonly payload: number;
  readonly rate: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const members of options.numbers("members", { quick: [50], short: [200], full: [1000] }))
      for (const payload of options.numbers("payload", { quick: [128], short: [128], full: [128] }))
        await climb(context, { codec, members, payload });
}

/** Raises the rate for everyone who has not passed the knee. */
async function climb(context: Context, load: Omit<Step, "rate">): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const durationMs = options.number("seconds", { quick: 0.2, short: 0.3, full: 1 }) * 1000;
  const where = `latency: ${load.members} members, ${load.codec}`;
  let subjects = context.subjects();
  const lanes = await openLanes(context, { what: where, subjects }, async (name) => {
    const bench = await openRoom(context, name, { ...load, shape: "room" });
    await witness(context, bench, { ...load, shape: "room" });
    return bench;
  });
  for (const rate of stepsOf(context)) {
    const over = new Set<string>();
    await measurePairs(
      context,
      { what: `${where}, ${rate} broadcasts/s`, subjects, blocks },
      inLanes(lanes, async (bench, { pair }) => {
        const round = await measurePaced(bench, { ...load, rate }, { pair, durationMs });
        if (isPast(round)) over.add(bench.subject.name);
        return round;
      }),
    );
    subjects = subjects.filter((name) => !over.has(name));
    if (subjects.length === 0) break;
  }
  await context.closeAll();
}

/** A generator that was late says nothing about the subject. */
function isPast(round: Round): boolean {
  return (round.flags ?? []).some((flag) => flag.code !== "generator_late");
}

function stepsOf({ options }: Context): readonly number[] {
  const given = options.numbers("rate", { quick: [100, 400], short: [], full: [] });
  if (given.length > 0) return given;
  const factor = options.mode === "full" ? 2 : 4;
  const rates: number[] = [];
  for (let rate = FIRST_RATE; rate <= RATE_MAX; rate *= factor) rates.push(rate);
  return rates;
}

async function measurePaced(
  bench: Bench,
  step: Step,
  how: { pair: number; durationMs: number },
): Promise<Round> {
  const load = { ratePerS: step.rate, durationMs: how.durationMs };
  const { emitted, watched, cpuS } = await pace(bench, { ...step, shape: "room" }, load);
  const achieved = emitted.broadcasts / ((watched.lastAtUs - emitted.startedUs) / 1e6);
  const offered = emitted.broadcasts / (how.durationMs / 1000);
  const { latency } = watched;
  const client = (watched.cpuUserS + watched.cpuSysS) / (watched.wallMs / 1000 || 1);
  const isOver = latency.p99 > KNEE_P99_US || achieved < offered * 0.8;
  const p99 = `p99 ${(latency.p99 / 1000).toFixed(0)} ms`;
  const figures = `${p99}, ${achieved.toFixed(0)} of ${step.rate}/s`;
  return {
    subject: bench.subject.name,
    params: { ...step },
    pair: how.pair,
    values: {
      p50_us: latency.p50,
      p99_us: latency.p99,
      p99_9_us: latency.p99_9,
      max_us: latency.max,
      cpu_us_per_delivery: (cpuS * 1e6) / Math.max(1, watched.received),
      achieved_per_s: achieved,
      schedule_late_us_max: emitted.lateUsMax,
      schedule_late_us_mean: emitted.lateUsMean,
      generator_lag_us_p99: watched.lag.p99Us,
      client_share: client,
    },
    delivery: deliveryOf(watched),
    latency,
    flags: [
      ...judgeDelivery(watched),
      // Past the knee the messages themselves keep the generator.
      ...(isOver
        ? [makeFlag("warning", "overload", figures)]
        : judgeGeneratorLag(watched.lag.p99Us)),
      ...judgeClient(client, "warning"),
    ],
  };
}

/** Latency against offered load. */
export const scenario: Scenario = {
  name: "latency",
  question: "How late is a broadcast at a member, against the offered load, up to the knee?",
  metrics: [
    {
      name: "p99_us",
      unit: "µs",
      better: "lower",
      text: "From a message's scheduled time to its arrival at a member, 99th percentile.",
      ratio: true,
    },
    { name: "p50_us", unit: "µs", better: "lower", text: "The same, median.", ratio: false },
    { name: "p99_9_us", unit: "µs", better: "lower", text: "The same, 99.9th.", ratio: false },
    {
      name: "cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per message delivered at this rate.",
      ratio: true,
    },
  ],
  seconds: { quick: 4, short: 14, full: 120 },
  run,
};
