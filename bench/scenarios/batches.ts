/**
 * Question: what does an event cost that goes to a function in a batch?
 * Load:     saturated: 100 msgpack sockets with 100 events under way each, in batches of 100. The
 *           function checks each socket's order.
 * Control:  bare undici that posts the same bodies to the same function: no sockets, no signature,
 *           no CloudEvents, no order to keep.
 * Not for:  latency, or a function with a wire or work of its own; it shares a core with the clients.
 */
import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import { judgeDelivery, judgeSaturation } from "../rig/flags.ts";
import { type Child, spawnChild } from "../rig/process.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import type { BatchLoad, BatchLoaded } from "../subjects/batches-load.ts";

const WARM_MS = 400;
const CONNECTIONS = 100;

interface Pair {
  readonly subject: string;
  readonly server: Child;
  readonly client: Child;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.5, short: 1, full: 2 }) * 1000;
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  const subjects = context.subjects(["bare"]);
  const pairs = new Map<string, Pair>();
  const load = { payload, connections: CONNECTIONS };
  try {
    for (const subject of subjects) {
      context.say(`batches: ${subject} starts`);
      const pair = await open(context, subject);
      pairs.set(subject, pair);
      await offer(pair, { ...load, durationMs: WARM_MS });
    }
    for (const { subject, pair } of context.interleave(subjects, blocks)) {
      context.say(`batches: ${subject}, ${pair + 1} of ${blocks * 2}`);
      const both = pairs.get(subject);
      if (both) await measure(context, both, { pair, load: { ...load, durationMs } });
    }
  } finally {
    for (const { client } of pairs.values()) await client.end();
    await context.closeAll();
  }
}

async function open(context: Context, subject: string): Promise<Pair> {
  const client = spawnChild(context.script("batches-client"), context.placement.client, "client");
  context.started(client.pid);
  const port = await client.call("listen");
  const server = await context.openProcess("batches-server");
  const build = subject === "bare" ? undefined : context.gateway(subject);
  // The answer's shape is that of bench/subjects/batches-server.ts.
  const started = (await server.call("start", { build, port })) as { port: number };
  if (subject !== "bare") {
    await client.call("connect", { port: started.port, connections: CONNECTIONS });
  }
  return { subject, server, client };
}

/** One round: the clients send, or the control posts by itself. */
async function offer({ subject, server, client }: Pair, load: BatchLoad): Promise<BatchLoaded> {
  await client.call("begin", load.connections);
  if (subject !== "bare") return (await client.call("load", load)) as BatchLoaded; // its own type
  const startedAt = performance.now();
  const answered = (await server.call("post", load)) as number; // as the script says
  const elapsedMs = performance.now() - startedAt;
  const { requests } = (await client.call("result", [])) as BatchLoaded; // its own type
  const none = { lost: 0, duplicated: 0, reordered: 0 };
  const delivery = { expected: answered, received: answered, ...none };
  return { sent: answered, elapsedMs, requests, delivery };
}

async function measure(
  context: Context,
  both: Pair,
  { pair, load }: { pair: number; load: BatchLoad },
): Promise<void> {
  // Both processes answer with the types that their scripts give.
  const read = (of: Child) => of.call("usage") as Promise<{ cpuS: number; atUs: number }>;
  const before = { server: await read(both.server), client: await read(both.client) };
  const { sent, requests, delivery } = await offer(both, load);
  const after = { server: await read(both.server), client: await read(both.client) };
  const seconds = (after.server.atUs - before.server.atUs) / 1e6;
  const server = (after.server.cpuS - before.server.cpuS) / seconds;
  const client = (after.client.cpuS - before.client.cpuS) / seconds;
  context.record({
    subject: both.subject,
    pair,
    params: { payload: load.payload },
    values: {
      cpu_us_per_event: (server * seconds * 1e6) / Math.max(1, sent),
      events_per_s: sent / seconds,
      requests_per_s: requests / seconds,
      server_share: server,
      client_share: client,
    },
    delivery,
    flags: [...judgeDelivery(delivery), ...judgeSaturation({ server, client, waiting: 0 })],
  });
}

/** Events in batches. */
export const scenario: Scenario = {
  name: "batches",
  question: "What does an event cost that goes to a function in a batch?",
  metrics: [
    {
      name: "cpu_us_per_event",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per event that the function received in order.",
      ratio: true,
    },
    {
      name: "events_per_s",
      unit: "/s",
      better: "higher",
      text: "Events the function received in a second, with the server on one core.",
      ratio: true,
    },
    {
      name: "requests_per_s",
      unit: "/s",
      better: "higher",
      text: "Requests they came in.",
      ratio: false,
    },
  ],
  run,
};
