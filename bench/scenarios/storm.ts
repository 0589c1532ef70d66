/**
 * Question: how long until everyone is back when all connections are lost at once?
 * Load:     all clients drop their TCP connections and connect again in the same moment, as after a
 *           network's blink, without the jitter that good clients have; who is refused comes back
 *           about a second later.
 * Control:  bare uWebSockets.js under the same storm.
 * Not for:  the storm that breaks a server: the listen queue and the client's core bound this one.
 */
import { judgeConnects } from "../rig/flags.ts";
import { openBench } from "../rig/saturation.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { quantile } from "../rig/stats.ts";
import { readCodec } from "./words.ts";

/** `reconnectionDelay` of socket.io-client. */
const RETRY_MS = 1000;

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const clients = options.number("clients", { quick: 200, short: 1000, full: 5000 });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const subjects = context.subjects(["bare", "stock-uws", "stock-ws"]);
    for (const { subject, pair } of context.interleave(subjects, blocks)) {
      context.say(`storm: ${clients} reconnect to ${subject}, ${pair + 1} of ${blocks * 2}`);
      context.record(await measureStorm(context, subject, { codec, clients }, pair));
      await context.closeAll();
    }
  }
}

async function measureStorm(
  context: Context,
  name: string,
  one: { codec: "json" | "msgpack"; clients: number },
  pair: number,
): Promise<Round> {
  const bench = await openBench(context, name, {
    codec: one.codec,
    shape: "namespace",
    members: one.clients,
  });
  const { subject, generator } = bench;
  const before = await subject.usage({ collect: true, resetLag: true });
  await generator.drop();
  const connected = await generator.connect({
    host: "127.0.0.1",
    port: subject.port,
    path: "/socket.io/",
    codec: one.codec,
    namespace: "/",
    tls: false,
    groups: [{ role: "member", count: one.clients, query: "rooms=r" }],
    concurrency: one.clients,
    timeoutMs: 60_000,
    retryMs: RETRY_MS,
  });
  const after = await subject.usage();
  const cpuS = after.cpuUserS + after.cpuSysS - before.cpuUserS - before.cpuSysS;
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
  run,
};
