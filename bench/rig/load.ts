import { readFileSync } from "node:fs";
import type { Tls } from "../generator/client.ts";
import type { Group } from "../generator/fleet.ts";
import type { LoadOptions } from "../generator/load.ts";
import { readCodec } from "../scenarios/words.ts";
import { MARKER_BYTES } from "../wire/marker.ts";
import { type CommandLine, UsageError } from "./args.ts";
import { deliveryOf } from "./bench.ts";
import { judgeClient, judgeConnects, judgeDelivery, judgeGeneratorLag, makeFlag } from "./flags.ts";
import type { Context, Scenario } from "./scenario.ts";

/** Nobody needs more from one process, and a typing mistake must not become an attack. */
const BOUNDS = {
  clients: [1, 20_000],
  senders: [1, 16],
  rate: [0.1, 10_000],
  seconds: [0.1, 600],
  payload: [MARKER_BYTES, 65_536],
  settle: [0, 60],
} as const;

/** Handshakes at once: a deployment's rate limits should not be what is measured. */
const CONCURRENCY = 32;
const CONNECT_TIMEOUT_MS = 120_000;

interface LoadPlan extends LoadOptions {
  readonly url: URL;
  readonly path: string;
  readonly clients: number;
  readonly senders: number;
  readonly auth: unknown;
  readonly tls: Tls;
}

/** Returns a scenario that loads one room of any Socket.IO v4 server; throws {@link UsageError}. */
export function makeLoadScenario(line: CommandLine): Scenario {
  const plan = readPlan(line);
  return {
    name: "load",
    question: `How does ${plan.url.host} deliver ${plan.ratePerS}/s to a room of ${plan.clients}?`,
    baseline: plan.url.host,
    usesGateway: false,
    metrics: [
      {
        name: "p99_us",
        unit: "µs",
        better: "lower",
        text: "From a message's scheduled time at its sender to its arrival at a member, 99th.",
        ratio: false,
      },
      { name: "p50_us", unit: "µs", better: "lower", text: "The same, median.", ratio: false },
      { name: "p99_9_us", unit: "µs", better: "lower", text: "The same, 99.9th.", ratio: false },
      { name: "max_us", unit: "µs", better: "lower", text: "The same, the worst.", ratio: false },
      {
        name: "deliveries_per_s",
        unit: "/s",
        better: "higher",
        text: "Messages that reached members, per second.",
        ratio: false,
      },
    ],
    run: (context) => runLoad(context, plan),
  };
}

async function runLoad(context: Context, plan: LoadPlan): Promise<void> {
  const generator = await context.openGenerator();
  context.say(`load: ${plan.clients + plan.senders} clients connect to ${plan.url.host}`);
  const groups: Group[] = [
    { role: "member", count: plan.clients, query: "" },
    { role: "sender", count: plan.senders, query: "" },
  ];
  const connected = await generator.connect({
    host: plan.url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(plan.url.port) || (plan.tls ? 443 : 80),
    path: plan.path,
    codec: plan.codec,
    namespace: plan.namespace,
    auth: plan.auth,
    tls: plan.tls,
    groups,
    concurrency: CONCURRENCY,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  for (const flag of judgeConnects(connected.joined, connected.failed, connected.reasons))
    context.flag(flag);
  if (connected.joined === 0) return;
  context.say(`load: ${plan.ratePerS}/s for ${plan.durationMs / 1000} s`);
  const {
    url: _,
    auth: __,
    clients: ___,
    senders: ____,
    path: _____,
    tls: ______,
    ...options
  } = plan;
  const loaded = await generator.load(options);
  const { latency } = loaded;
  const share = (loaded.cpuUserS + loaded.cpuSysS) / (loaded.wallMs / 1000 || 1);
  context.record({
    subject: plan.url.host,
    params: { clients: loaded.members, rate: plan.ratePerS, payload: plan.payloadBytes },
    pair: 0,
    values: {
      p50_us: latency.p50,
      p99_us: latency.p99,
      p99_9_us: latency.p99_9,
      max_us: latency.max,
      deliveries_per_s: loaded.received / (loaded.wallMs / 1000 || 1),
      connections_per_s: connected.joined / (connected.elapsedMs / 1000),
      sent: loaded.sent,
      generator_late_us_max: loaded.lateUsMax,
      client_share: share,
    },
    delivery: deliveryOf(loaded),
    latency,
    flags: [
      ...judgeDelivery(loaded),
      // Nothing is compared here: who reads the figures may judge them by it.
      ...judgeGeneratorLag(loaded.lag.p99Us).map((flag) => ({
        ...flag,
        severity: "warning" as const,
      })),
      ...judgeClient(share),
      ...loaded.closeReasons.map((why) => makeFlag("warning", "closed", why)),
    ],
  });
}

function readPlan(line: CommandLine): LoadPlan {
  const text = line.text("url");
  if (text === undefined) throw new UsageError("load needs --url");
  const url = readUrl(text);
  const bounded = (name: keyof typeof BOUNDS, byDefault: number) => {
    const n = line.number(name, { quick: byDefault, short: byDefault, full: byDefault });
    const [min, max] = BOUNDS[name];
    if (n < min || n > max) throw new UsageError(`--${name} must be ${min}…${max}`);
    return n;
  };
  const [codec = "json"] = line.words("codec", ["json"]);
  return {
    url,
    path: line.text("path") ?? (url.pathname === "/" ? "/socket.io/" : url.pathname),
    clients: Math.round(bounded("clients", 100)),
    senders: Math.round(bounded("senders", 1)),
    auth: readAuth(line.text("auth")),
    tls: readTls(line, url),
    codec: readCodec(codec),
    namespace: line.text("namespace") ?? "/",
    room: line.text("room") ?? "bench",
    joinEvent: line.text("join") ?? "join",
    sendEvent: line.text("send") ?? "message",
    sendsRoom: !line.has("no-room"),
    payloadBytes: Math.round(bounded("payload", 128)),
    ratePerS: bounded("rate", 10),
    durationMs: bounded("seconds", 10) * 1000,
    settleMs: bounded("settle", 1) * 1000,
  };
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new UsageError(`--url ${text} is not an http or https URL`);
}

/** Certificates are checked unless told otherwise: a load test must not be sent to anyone else. */
function readTls(line: CommandLine, url: URL): Tls {
  const path = line.text("ca");
  const insecure = line.has("insecure");
  if (url.protocol !== "https:") {
    if (insecure || path !== undefined) throw new UsageError("--ca and --insecure are for https");
    return false;
  }
  try {
    return { insecure, ca: path === undefined ? undefined : readFileSync(path, "utf8") };
  } catch (error) {
    throw new UsageError(`--ca: ${error instanceof Error ? error.message : error}`);
  }
}

function readAuth(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--auth is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}
