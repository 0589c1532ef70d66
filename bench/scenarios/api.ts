/**
 * Question: what does an emit over HTTP cost, one per request and as lines of a stream?
 * Load:     saturated: 128 keep-alive connections with one request open each; one stream with up to
 *           20,000 lines unanswered. One member receives everything and checks it.
 * Control:  bare uWebSockets.js that parses the same bodies and publishes, without a key, without
 *           validation, and without rooms; by requests at a fixed rate, because the client would be
 *           the limit.
 * Not for:  latency; a fan-out to many members, which costs what `fanout` says.
 */
import { type Duo, judgeUse, openDuo, runDuo } from "../rig/duo.ts";
import { judgeDelivery } from "../rig/flags.ts";
import { inLanes, measurePairs, openLanes } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { ApiLoad, ApiLoaded } from "../subjects/api-client.ts";

const SECRET = "benchmark-secret-0123456789";
const WARM = { durationMs: 400, sentMin: 20_000 };
/** Half of what a client in JavaScript can send; bare could answer three times that. */
const BARE_RATE = 30_000;

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.3, short: 0.15, full: 2 }) * 1000;
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const connections = options.number("connections", { quick: 128, short: 128, full: 128 });
  const subjects = context.subjects(["bare"]);
  const kinds = ["request", "stream"] as const;
  const lanes = await openLanes(context, { what: "api", subjects }, async (subject) => {
    const duo = await open(context, subject);
    for (const kind of kinds)
      await duo.client.call("load", { kind, payload, connections, ...WARM });
    return duo;
  });
  for (const kind of kinds) {
    const load = { kind, payload, connections, sentMin: 0, durationMs };
    await measurePairs(
      context,
      { what: `api: ${kind}`, subjects, blocks },
      inLanes(lanes, (duo, { pair }) => measure(duo, load, pair)),
    );
  }
  await context.closeAll();
}

async function open(context: Context, subject: string): Promise<Duo> {
  const duo = await openDuo(context, subject, { server: "api-server", client: "api-client" });
  const build = subject === "bare" ? undefined : context.gateway(subject);
  // The answer's shape is that of bench/subjects/api-server.ts.
  const { port } = (await duo.server.call("start", { build, secret: SECRET })) as { port: number };
  await duo.client.call("connect", { port, secret: SECRET });
  return duo;
}

async function measure(duo: Duo, load: ApiLoad, pair: number): Promise<Round> {
  // No client in JavaScript keeps bare busy by requests: there it is a floor at a fixed rate.
  const isFloor = duo.subject === "bare" && load.kind === "request";
  const own = isFloor ? { ...load, ratePerS: BARE_RATE } : load;
  const [loaded, use] = await runDuo(
    duo,
    () => duo.client.call("load", own) as Promise<ApiLoaded>, // its own type
  );
  const { delivery } = loaded;
  const unanswered = loaded.sent - loaded.answered;
  return {
    subject: duo.subject,
    pair,
    params: { kind: load.kind, payload: load.payload },
    values: {
      cpu_us_per_emit: (use.serverCpuS * 1e6) / Math.max(1, loaded.sent),
      ...(isFloor ? {} : { emits_per_s: loaded.sent / (loaded.elapsedMs / 1000) }),
      server_share: use.server,
      client_share: use.client,
    },
    delivery,
    flags: [
      ...judgeDelivery({ ...delivery, lost: delivery.lost + unanswered }),
      ...judgeUse(use, !isFloor),
    ],
  };
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
  seconds: { quick: 4, short: 14, full: 100 },
  run,
};
