/**
 * Question: how long until everyone is back when all connections are lost at once?
 * Load:     all clients drop their TCP connections and connect again in the same moment, as after a
 *           network's blink, without the jitter that good clients have; who is refused comes back
 *           about a second later.
 * Control:  bare uWebSockets.js under the same storm.
 * Not for:  the storm that breaks a server: the listen queue and the client's core bound this one.
 */
import { cpuBetween, membersOf, openBench, targetOf } from "../rig/bench.ts";
import { judgeConnects } from "../rig/flags.ts";
import { afresh, measurePairs } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { quantile } from "../rig/stats.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** `reconnectionDelay` of socket.io-client. */
const RETRY_MS = 1000;

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const clients = options.number("clients", { quick: 200, short: 5000, full: 5000 });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const subjects = context.subjects();
    const what = `storm: ${clients} reconnect, ${codec}`;
    const measure = afresh(context, ({ subject, pair }) =>
      measureStorm(context, subject, { codec, clients }, pair),
    );
    await measurePairs(context, { what, subjects, blocks }, measure);
  }
}

async function measureStorm(
  context: Context,
  name: string,
  one: { codec: Codec; clients: number },
  pair: number,
): Promise<Round> {
  const joining = { codec: one.codec, groups: membersOf(one.clients, "rooms=r") };
  const bench = await openBench(context, name, joining);
  const { subject, generator } = bench;
  const before = await subject.usage({ collect: true, watchLag: true });
  await generator.drop();
  const all = { concurrency: one.clients, retryMs: RETRY_MS };
  const connected = await generator.connect(targetOf(subject, { ...joining, ...all }));
  const after = await subject.usage();
  const cpuS = cpuBetween(before, after);
  return {
    subject: subject.name,
    params: { ...one },
    pair,
    values: {
      all_back_ms: connected.elapsedMs,
      cpu_us_per_connection: (cpuS * 1e6) / Math.max(1, connected.joined),
      handshake_p50_ms: quantile(connected.handshakesUs, 0.5) / 1000,
      handshake_p99_ms: quantile(connected.handshakesUs, 0.99) / 1000,
      refused: connected.refused,
      server_lag_ms_max: after.lag.maxUs / 1000,
      rss_bytes: after.memory.rss,
    },
    flags: judgeConnects(connected.joined, connected.failed, connected.reasons),
  };
}

/** Everyone reconnects. */
export const scenario: Scenario = {
  name: "storm",
  question: "How long until everyone is back when all connections are lost at once?",
  metrics: [
    {
      name: "all_back_ms",
      unit: "ms",
      better: "lower",
      text: "From the first lost connection to the last CONNECT.",
      ratio: true,
    },
    {
      name: "cpu_us_per_connection",
      unit: "µs",
      better: "lower",
      text: "Server CPU per connection, the end of the old one included.",
      ratio: true,
    },
    { name: "handshake_p99_ms", unit: "ms", better: "lower", text: "99th.", ratio: false },
    {
      name: "refused",
      unit: "",
      better: "lower",
      text: "Attempts that were refused and came back about a second later.",
      ratio: false,
    },
    {
      name: "server_lag_ms_max",
      unit: "ms",
      better: "lower",
      text: "How late the server's event loop was at worst.",
      ratio: false,
    },
  ],
  seconds: { quick: 5, short: 55, full: 300 },
  // In the time that the set has for it, it would carry no claim.
  inSet: false,
  run,
};
