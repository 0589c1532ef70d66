/**
 * Question: what do members that stop reading do to the others, and do they learn what they missed?
 * Load:     open-loop broadcasts of 12 KiB to a room in which a share of the members stops reading
 *           after joining; at the end they read again and tell what they find.
 * Control:  the same room with nobody stalled, and bare uWebSockets.js.
 * Not for:  how long a stalled connection may stay: that is a setting, and runs here are short.
 */
import { judgeDelivery, judgeGeneratorLag } from "../rig/flags.ts";
import { deliveryOf, openBench, pace } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/**
 * With 600 of these a stalled reader misses 7 MB: more than the kernel keeps for one connection of
 * loopback (4 MB seen) and any buffer of the servers together.
 */
const PAYLOAD_BYTES = 12 * 1024;
const MESSAGES = 600;

interface SlowCase {
  readonly codec: Codec;
  readonly members: number;
  readonly payload: number;
  readonly stalled_percent: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const members = options.number("members", { quick: 20, short: 20, full: 200 });
  const ratePerS = options.number("rate", { quick: 600, short: 600, full: 150 });
  const shares = options.numbers("stalled", { quick: [10], short: [0, 10], full: [0, 1, 10] });
  const payload = options.number("payload", eachMode(PAYLOAD_BYTES));
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const stalled_percent of shares) {
      const subjects = context.subjects(["bare", "stock-uws", "stock-ws"]);
      for (const { subject, pair } of context.interleave(subjects, blocks)) {
        context.say(`slow: ${stalled_percent} % of ${members} stalled, ${subject}`);
        const one = { codec, members, payload, stalled_percent };
        context.record(await measureSlow(context, subject, one, { pair, ratePerS }));
        await context.closeAll();
      }
    }
}

async function measureSlow(
  context: Context,
  name: string,
  one: SlowCase,
  how: { pair: number; ratePerS: number },
): Promise<Round> {
  const bench = await openBench(context, name, { ...one, shape: "room" });
  const { subject, generator } = bench;
  const load = { shape: "room", payload: one.payload } as const;
  const durationMs = (MESSAGES / how.ratePerS) * 1000;
  // First everyone reads: a connection's buffers and the compiler are warm.
  await pace(bench, load, { ratePerS: how.ratePerS, durationMs: durationMs / 10 });
  await generator.stall(Math.round((one.members * one.stalled_percent) / 100));
  await subject.usage({ collect: true });
  const paced = await pace(bench, load, { ratePerS: how.ratePerS, durationMs });
  const { watched, before, after, cpuS } = paced;
  const { lastSequence } = paced.emitted;
  const resumed = await generator.resume({ lastSequence, quietMs: 1000 });
  const { latency } = watched;
  return {
    subject: subject.name,
    params: { ...one },
    pair: how.pair,
    values: {
      p99_us: latency.p99,
      p50_us: latency.p50,
      max_us: latency.max,
      cpu_us_per_delivery: (cpuS * 1e6) / Math.max(1, watched.received),
      rss_growth_bytes: after.memory.rss - before.memory.rss,
      server_lag_us_max: after.lag.maxUs,
      stalled: resumed.stalled,
      stalled_closed: resumed.closed,
      stalled_with_hole: resumed.withHole,
      lost_silently: resumed.lostSilently,
    },
    delivery: deliveryOf(watched),
    latency,
    flags: [...judgeDelivery(watched), ...judgeGeneratorLag(watched.lag.p99Us)],
  };
}

function eachMode(n: number) {
  return { quick: n, short: n, full: n };
}

/** Stalled readers. */
export const scenario: Scenario = {
  name: "slow",
  question: "What do members that stop reading do to the others, and do they learn it?",
  metrics: [
    {
      name: "p99_us",
      unit: "µs",
      better: "lower",
      text: "Latency at the members that read, 99th percentile.",
      ratio: true,
    },
    {
      name: "cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "Server CPU per message delivered to members that read.",
      ratio: false,
    },
    {
      name: "rss_growth_bytes",
      unit: "B",
      better: "lower",
      text: "Growth of the server's resident memory.",
      ratio: false,
    },
    { name: "stalled", unit: "", better: "lower", text: "Stalled members.", ratio: false },
    {
      name: "stalled_closed",
      unit: "",
      better: "higher",
      text: "Of those, closed by the server, so that they know.",
      ratio: false,
    },
    {
      name: "stalled_with_hole",
      unit: "",
      better: "lower",
      text: "Of those, left open with messages missing.",
      ratio: false,
    },
    {
      name: "lost_silently",
      unit: "",
      better: "lower",
      text: "Messages missing without anyone being told.",
      ratio: false,
    },
  ],
  run,
};
