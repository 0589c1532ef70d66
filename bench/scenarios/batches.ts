/**
 * Question: what does an event cost that goes to a function in a batch?
 * Load:     saturated: 100 msgpack sockets with 100 events under way each, in batches of 100. The
 *           function checks each socket's order.
 * Control:  bare undici that posts the same bodies to the same function: no sockets, no signature,
 *           no CloudEvents, no order to keep.
 * Not for:  latency, or a function with a wire or work of its own; it shares a core with the clients.
 */
import { type Duo, judgeUse, openDuo, runDuo } from "../rig/duo.ts";
import { judgeDelivery } from "../rig/flags.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import type { Context, Metric, Round, Scenario } from "../rig/scenario.ts";
import type { BatchLoad, BatchLoaded } from "../subjects/batches-load.ts";

const CONNECTIONS = 100;

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.5, short: 1, full: 2 }) * 1000;
  const warmMs = { quick: 500, short: 2000, full: 10_000 }[options.mode];
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const subjects = context.subjects(["bare"]);
  const load = { payload, connections: CONNECTIONS };
  const lanes = await openLanes(context, { what: "batches", subjects }, async (subject) => {
    const duo = await open(context, subject);
    await warmUp(warmMs, (turn) => measure(duo, { ...load, ...turn }, turn.pair));
    return duo;
  });
  await measurePairs(
    context,
    { what: "batches", subjects, blocks },
    inLanes(lanes, (duo, { pair }) => measure(duo, { ...load, durationMs }, pair)),
  );
  await context.closeAll();
}

async function open(context: Context, subject: string): Promise<Duo> {
  const scripts = { server: "batches-server", client: "batches-client" };
  const duo = await openDuo(context, subject, scripts);
  const port = await duo.client.call("listen");
  const build = subject === "bare" ? undefined : context.gateway(subject);
  // The answer's shape is that of bench/subjects/batches-server.ts.
  const started = (await duo.server.call("start", { build, port })) as { port: number };
  if (subject !== "bare")
    await duo.client.call("connect", { port: started.port, connections: CONNECTIONS });
  return duo;
}

/** One round: the clients send, or the control posts by itself. */
async function offer({ subject, server, client }: Duo, load: BatchLoad): Promise<BatchLoaded> {
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

async function measure(duo: Duo, load: BatchLoad, pair: number): Promise<Round> {
  const [loaded, use] = await runDuo(duo, () => offer(duo, load));
  const { sent, requests, delivery } = loaded;
  const seconds = loaded.elapsedMs / 1000;
  return {
    subject: duo.subject,
    pair,
    params: { payload: load.payload },
    values: {
      cpu_us_per_event: (use.serverCpuS * 1e6) / Math.max(1, sent),
      events_per_s: sent / seconds,
      requests_per_s: requests / seconds,
      server_share: use.server,
      client_share: use.client,
    },
    delivery,
    flags: [...judgeDelivery(delivery), ...judgeUse(use, true)],
  };
}

/** What an event cost. */
export const CPU_PER_EVENT: Metric = {
  name: "cpu_us_per_event",
  unit: "µs",
  better: "lower",
  text: "Server CPU, user and system, per event that the function received in order.",
  ratio: true,
};

/** How many events there were. */
export const EVENTS_PER_S: Metric = {
  name: "events_per_s",
  unit: "/s",
  better: "higher",
  text: "Events the function received in a second, with the server on one core.",
  ratio: true,
};

/** Events in batches. */
export const scenario: Scenario = {
  name: "batches",
  question: "What does an event cost that goes to a function in a batch?",
  metrics: [
    CPU_PER_EVENT,
    EVENTS_PER_S,
    {
      name: "requests_per_s",
      unit: "/s",
      better: "higher",
      text: "Requests they came in.",
      ratio: false,
    },
  ],
  seconds: { quick: 4, short: 26, full: 80 },
  inSet: false,
  run,
};
