/**
 * Question: what do members that stop reading do to the others, and do they learn what they missed?
 * Load:     open-loop broadcasts of 12 KiB to a room in which a share of the members stops reading
 *           after joining; at the end they read again and tell what they find.
 * Control:  the same room with nobody stalled, and bare uWebSockets.js.
 * Not for:  how long a stalled connection may stay: that is a setting, and runs here are short.
 */
import type { Resumed } from "../generator/stall.ts";
import { deliveryOf } from "../rig/bench.ts";
import { judgeDelivery, judgeGeneratorLag } from "../rig/flags.ts";
import { pace } from "../rig/paced.ts";
import { afresh, measurePairs } from "../rig/rounds.ts";
import { openRoom } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/**
 * With 600 of these a stalled reader misses 7 MB: more than the kernel keeps for one connection of
 * loopback (4 MB seen) and any buffer of the servers together.
 */
const PAYLOAD_BYTES = 12 * 1024;
const MESSAGES = 600;
/** Those who read again have read all when nothing comes for so long. */
const QUIET_MS = 500;

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
  const payload = options.number("payload", {
    quick: PAYLOAD_BYTES,
    short: PAYLOAD_BYTES,
    full: PAYLOAD_BYTES,
  });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const stalled of sharesOfRuns(shares)) {
      const subjects = context.subjects();
      const what = `slow: ${stalled.join(" and ")} % of ${members} stalled, ${codec}`;
      const measure = afresh(context, ({ subject, pair }) =>
        measureSlow(context, subject, stalled, { codec, members, payload, pair, ratePerS }),
      );
      await measurePairs(context, { what, subjects, blocks }, measure);
    }
}

/** Nobody stalled is what a room is like before some are; those who stalled are gone afterwards. */
function sharesOfRuns(shares: readonly number[]): number[][] {
  const [first, ...some] = shares.filter((share) => share > 0).map((share) => [share]);
  if (!shares.includes(0)) return first ? [first, ...some] : [];
  return [[0, ...(first ?? [])], ...some];
}

interface Slow extends Omit<SlowCase, "stalled_percent"> {
  readonly pair: number;
  readonly ratePerS: number;
}

/** Measures one room of a fresh process, with one share of stalled members after the other. */
async function measureSlow(
  context: Context,
  name: string,
  shares: readonly number[],
  { pair, ratePerS, ...load }: Slow,
): Promise<Round[]> {
  const one = { ...load, shape: "room" } as const;
  const bench = await openRoom(context, name, one);
  const durationMs = (MESSAGES / ratePerS) * 1000;
  // First everyone reads: a connection's buffers and the compiler are warm.
  await pace(bench, one, { ratePerS, durationMs: durationMs / 10 });
  const rounds: Round[] = [];
  for (const stalled_percent of shares) {
    await bench.generator.stall(Math.round((load.members * stalled_percent) / 100));
    await bench.subject.usage({ collect: true });
    const paced = await pace(bench, one, { ratePerS, durationMs });
    const { lastSequence } = paced.emitted;
    const resumed = await bench.generator.resume({ lastSequence, quietMs: QUIET_MS });
    const params = { ...load, stalled_percent };
    rounds.push({ subject: name, params, pair, ...judgeSlow(paced, resumed) });
  }
  return rounds;
}

function judgeSlow(
  { watched, before, after, cpuS }: Awaited<ReturnType<typeof pace>>,
  resumed: Resumed,
): Pick<Round, "values" | "delivery" | "latency" | "flags"> {
  const { latency } = watched;
  return {
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
    {
      name: "server_lag_us_max",
      unit: "µs",
      better: "lower",
      text: "Longest delay of the server's event loop.",
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
  seconds: { quick: 10, short: 20, full: 240 },
  run,
};
