/**
 * Question: what does an emit over HTTP cost, one per request and as lines of a stream?
 * Load:     saturated: 32 keep-alive connections with one request open each; one stream with up to
 *           20,000 lines unanswered. One member receives everything and checks it.
 * Control:  bare uWebSockets.js that parses the same bodies and publishes, without a key, without
 *           validation, and without rooms.
 * Not for:  latency; a fan-out to many members, which costs what `fanout` says.
 */
import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import { judgeDelivery, judgeSaturation } from "../rig/flags.ts";
import { type Child, spawnChild } from "../rig/process.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import type { ApiLoad, ApiLoaded } from "../subjects/api-client.ts";

const SECRET = "benchmark-secret-0123456789";
const WARM = { durationMs: 400, sentMin: 20_000 };

interface Pair {
  readonly server: Child;
  readonly client: Child;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.3, short: 0.25, full: 2 }) * 1000;
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const connections = options.number("connections", { quick: 32, short: 32, full: 32 });
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  const subjects = context.subjects(["bare"]);
  const pairs = new Map<string, Pair>();
  try {
    for (const subject of subjects) pairs.set(subject, await open(context, subject));
    for (const kind of ["request", "stream"] as const) {
      const load = { kind, payload, connections, sentMin: 0 };
      for (const { client } of pairs.values()) {
        await client.call("load", { ...load, ...WARM });
      }
      for (const { subject, pair } of context.interleave(subjects, blocks)) {
        context.say(`api: ${kind}, ${subject}, ${pair + 1} of ${blocks * 2}`);
        const both = pairs.get(subject);
        if (both) await measure(context, both, { subject, pair, load: { ...load, durationMs } });
      }
    }
  } finally {
    for (const { client } of pairs.values()) await client.end();
  }
}

async function open(context: Context, subject: string): Promise<Pair> {
  const server = await context.openProcess("api-server");
  const build = subject === "bare" ? undefined : context.gateway(subject);
  // The answer's shape is that of bench/subjects/api-server.ts.
  const { port } = (await server.call("start", { build, secret: SECRET })) as { port: number };
  const client = spawnChild(context.script("api-client"), context.placement.client, "the client");
  context.started(client.pid);
  await client.call("connect", { port, secret: SECRET });
  return { server, client };
}

async function measure(
  context: Context,
  { server, client }: Pair,
  round: { subject: string; pair: number; load: ApiLoad },
): Promise<void> {
  const { subject, pair, load } = round;
  // Both processes answer with the types that their scripts give.
  const read = (of: Child) => of.call("usage") as Promise<{ cpuS: number; atUs: number }>;
  const before = { server: await read(server), client: await read(client) };
  const loaded = (await client.call("load", load)) as ApiLoaded;
  const after = { server: await read(server), client: await read(client) };
  const seconds = (after.server.atUs - before.server.atUs) / 1e6;
  const serverS = after.server.cpuS - before.server.cpuS;
  const clientS = after.client.cpuS - before.client.cpuS;
  const unanswered = loaded.sent - loaded.answered;
  const { delivery } = loaded;
  context.record({
    subject,
    pair,
    params: { kind: load.kind, payload: load.payload },
    values: {
      cpu_us_per_emit: (serverS * 1e6) / Math.max(1, loaded.sent),
      emits_per_s: loaded.sent / (loaded.elapsedMs / 1000),
      server_share: serverS / seconds,
      client_share: clientS / seconds,
    },
    delivery,
    flags: [
      ...judgeDelivery({ ...delivery, lost: delivery.lost + unanswered }),
      ...judgeSaturation({ server: serverS / seconds, client: clientS / seconds, waiting: 0 }),
    ],
  });
}

/** Commands over HTTP. */
export const scenario: Scenario = {
  name: "api",
  question: "What does an emit over HTTP cost, one per request and as lines of a stream?",
  metrics: [
    {
      name: "cpu_us_per_emit",
      unit: "µs",
      better: "lower",
      text: "The server's CPU per emit that was answered and delivered to one member.",
      ratio: true,
    },
    {
      name: "emits_per_s",
      unit: "/s",
      better: "higher",
      text: "Emits answered in a second, with the server on one core.",
      ratio: true,
    },
  ],
  run,
};
