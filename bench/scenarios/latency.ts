/**
 * Question: how late is a broadcast at a member, against the offered load, up to the knee?
 * Load:     open loop: message n is due at start + n / rate whatever became of the ones before, and
 *           latency counts from then; the rate doubles until p99 exceeds 100 ms or it is missed.
 * Control:  bare uWebSockets.js on the same schedule with the same bytes.
 * Not for:  a real network; timers of the schedule have a grain of 1 ms, for all subjects alike.
 */
import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import { judgeDelivery, judgeGeneratorLag, makeFlag } from "../rig/flags.ts";
import { type Bench, deliveryOf, openBench, pace } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { readCodec } from "./words.ts";

/** Beyond this, users notice and queues only grow. */
const KNEE_P99_US = 100_000;
/** Rates double from here. */
const FIRST_RATE = 50;
const RATE_MAX = 200_000;

interface Step {
  readonly codec: "json" | "msgpack";
  readonly members: number;
  readonly payload: number;
  readonly rate: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const durationMs = options.number("seconds", { quick: 0.2, short: 0.25, full: 2 }) * 1000;
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const members of options.numbers("members", { quick: [50], short: [200], full: [1000] }))
      for (const payload of options.numbers("payload", { quick: [128], short: [128], full: [128] }))
        await climb(context, { codec, members, payload }, { blocks, durationMs });
}

/** Doubles the rate for everyone who has not passed the knee. */
async function climb(
  context: Context,
  load: Omit<Step, "rate">,
  how: { blocks: number; durationMs: number },
): Promise<void> {
  const benches = new Map<string, Bench>();
  for (const name of context.subjects(["bare", "stock-uws", "stock-ws"])) {
    context.say(`latency: ${name} connects ${load.members}`);
    const bench = await openBench(context, name, { ...load, shape: "room" });
    benches.set(name, bench);
    await measurePaced(bench, { ...load, rate: 200 }, { pair: 0, durationMs: how.durationMs });
  }
  const rates = context.options.numbers("rate", { quick: [50, 400], short: [], full: [] });
  const steps = rates.length > 0 ? rates : doubling();
  const strikes = new Map<string, number>();
  for (const rate of steps) {
    if (benches.size === 0) break;
    const over = new Set<string>();
    for (const { subject, pair } of context.interleave([...benches.keys()], how.blocks)) {
      context.say(`latency: ${rate} broadcasts/s to ${load.members}, ${subject}`);
      const bench = benches.get(subject);
      if (bench === undefined || over.has(subject)) continue;
      const round = await measurePaced(bench, { ...load, rate }, { pair, ...how });
      context.record(round);
      if (isPast(round, strikes)) over.add(subject);
    }
    for (const name of over) benches.delete(name);
  }
  await context.closeAll();
}

/** A generator that is late is one strike: once it may be the machine, thrice it is the load. */
function isPast(round: Round, strikes: Map<string, number>): boolean {
  const codes = (round.flags ?? []).map((flag) => flag.code);
  if (codes.some((code) => code !== "generator_late")) return true;
  const own = (strikes.get(round.subject) ?? 0) + codes.length;
  strikes.set(round.subject, own);
  return own >= 3;
}

function* doubling(): Iterable<number> {
  for (let rate = FIRST_RATE; rate <= RATE_MAX; rate *= 2) yield rate;
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
      client_share: (watched.cpuUserS + watched.cpuSysS) / (watched.wallMs / 1000 || 1),
    },
    delivery: deliveryOf(watched),
    latency,
    flags: [
      ...judgeDelivery(watched),
      ...(isOver ? [makeFlag("warning", "overload", figures)] : []),
      ...judgeGeneratorLag(watched.lag.p99Us),
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
  run,
};
