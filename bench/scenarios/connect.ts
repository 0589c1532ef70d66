/**
 * Question: what does one connection cost to accept, and how many can be accepted in a second?
 * Load:     WebSocket handshakes with a browser's headers up to Socket.IO's CONNECT, 64 at once.
 * Control:  bare uWebSockets.js that upgrades and answers the same two packets.
 * Not for:  TLS, proxies, authentication; the rate is a lower bound where `client_limit` says so.
 */
import { type Bench, cpuBetween, membersOf, openBench, targetOf } from "../rig/bench.ts";
import { judgeClient, judgeConnects } from "../rig/flags.ts";
import { inLanes, measurePairs, openLanes } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { quantile } from "../rig/stats.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** A compiler counts calls, and each connection is one: so many come before the first that counts. */
const WARM_CONNECTIONS = { quick: 400, short: 4000, full: 4000 };

interface ConnectCase {
  readonly codec: Codec;
  readonly connections: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const connections = options.number("connections", { quick: 100, short: 200, full: 2000 });
  const warmRounds = Math.ceil(WARM_CONNECTIONS[options.mode] / connections);
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const one = { codec, connections };
    const subjects = context.subjects(undefined, one);
    const what = `connect: ${connections}, ${codec}`;
    const lanes = await openLanes(context, { what, subjects }, async (name) => {
      const bench = await openBench(context, name, { codec, groups: membersOf(1) });
      for (let n = 0; n < warmRounds; n++) await measureConnects(bench, one, 0);
      return bench;
    });
    await measurePairs(
      context,
      { what, subjects, blocks },
      inLanes(lanes, (bench, { pair }) => measureConnects(bench, one, pair)),
    );
    await context.closeAll();
  }
}

/** Connects, measures, drops, and waits until the server has seen the drops. */
async function measureConnects(bench: Bench, one: ConnectCase, pair: number): Promise<Round> {
  const { subject, generator } = bench;
  await generator.drop();
  await untilGone(bench);
  const clientBefore = await generator.usage();
  const before = await subject.usage();
  const groups = membersOf(one.connections);
  const connected = await generator.connect(targetOf(subject, { codec: one.codec, groups }));
  const cpuS = cpuBetween(before, await subject.usage());
  const wallS = connected.elapsedMs / 1000;
  const share = cpuBetween(clientBefore, await generator.usage()) / wallS;
  return {
    subject: subject.name,
    params: { ...one },
    pair,
    values: {
      cpu_us_per_connection: (cpuS * 1e6) / Math.max(1, connected.joined),
      connections_per_s: connected.joined / wallS,
      handshake_p99_us: quantile(connected.handshakesUs, 0.99),
      server_share: cpuS / wallS,
      client_share: share,
    },
    flags: [
      ...judgeConnects(connected.joined, connected.failed, connected.reasons),
      // The rate is a lower bound then; the server's cost is what it is.
      ...judgeClient(share, "warning"),
    ],
  };
}

/** Resolves when the server has no connection any more; a server that keeps some is left alone. */
async function untilGone({ subject }: Bench): Promise<void> {
  const endMs = performance.now() + 5000;
  while ((await subject.connections()) > 0 && performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Handshakes. */
export const scenario: Scenario = {
  name: "connect",
  question: "What does one connection cost to accept, and how many can be accepted in a second?",
  metrics: [
    {
      name: "cpu_us_per_connection",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per connection up to Socket.IO's CONNECT.",
      ratio: true,
    },
    {
      name: "connections_per_s",
      unit: "/s",
      better: "higher",
      text: "Connections accepted per second; a lower bound while the client is the limit.",
      ratio: false,
    },
    {
      name: "handshake_p99_us",
      unit: "µs",
      better: "lower",
      text: "From the TCP connect to Socket.IO's CONNECT, 99th percentile, 64 at once.",
      ratio: false,
    },
  ],
  seconds: { quick: 3, short: 8, full: 60 },
  run,
};
