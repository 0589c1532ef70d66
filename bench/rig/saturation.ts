import type { Group } from "../generator/fleet.ts";
import type { Shape, SubjectOptions } from "../subjects/host.ts";
import type { Codec } from "../wire/packets.ts";
import {
  type Flag,
  judgeConnects,
  judgeDelivery,
  judgeDuration,
  judgeSaturation,
  makeFlag,
} from "./flags.ts";
import type { GeneratorHandle, SubjectHandle } from "./process.ts";
import type { Context, Delivery, Round } from "./scenario.ts";
import { countSegments } from "./segments.ts";

/** One combination of what is varied. */
export interface Case {
  readonly codec: Codec;
  readonly shape: Shape;
  readonly members: number;
  readonly payload: number;
  /** Broadcasts per turn of the server's event loop. */
  readonly frames: number;
}

/** A subject with its own generator, connected. */
export interface Bench {
  readonly subject: SubjectHandle;
  readonly generator: GeneratorHandle;
  readonly creditPort: number;
  /** The next sequence number: they run through all rounds of a process. */
  next: number;
}

/** What tests of the rig plant. */
export interface Plants {
  readonly loseEvery?: number;
  readonly burnUs?: number;
  /** Messages of credit, so few that a slow client is felt at once. */
  readonly window?: number;
}

/**
 * Unsent bytes a slow member may cost: stock drops silently above 64 KiB in user space, and a
 * round in which anyone dropped would be void.
 */
const WINDOW_BYTES = 48 * 1024;
/** Marker, event name and framing around a payload, roughly. */
const OVERHEAD_BYTES = 40;
/** A round is over when nothing has arrived for this long. */
export const QUIET_MS = 3000;

/** Starts a fresh subject and a fresh generator and connects them. */
export async function openBench(
  context: Context,
  name: string,
  one: Pick<Case, "codec" | "shape" | "members">,
  more: Pick<SubjectOptions, "callUrl" | "loseEvery"> = {},
): Promise<Bench> {
  const subject = await context.openSubject(name, { ...more, codec: one.codec });
  const generator = await context.openGenerator();
  const connected = await generator.connect({
    host: "127.0.0.1",
    port: subject.port,
    path: "/socket.io/",
    codec: one.codec,
    namespace: "/",
    tls: false,
    groups: groupsOf(one.shape, one.members),
    concurrency: 64,
    timeoutMs: 60_000,
  });
  for (const flag of judgeConnects(connected.joined, connected.failed, connected.reasons))
    context.flag({ ...flag, message: `${name}: ${flag.message}` });
  return { subject, generator, creditPort: await subject.creditPort(), next: 0 };
}

/** Members, and those who must not receive anything: the sender, the excluded, an outsider. */
export function groupsOf(shape: Shape, members: number): Group[] {
  const outsider: Group = { role: "excluded", count: 1, query: "" };
  const inRoom: Group = { role: "member", count: members, query: "rooms=r" };
  if (shape === "namespace") return [inRoom];
  if (shape === "sender")
    return [inRoom, outsider, { role: "sender", count: 1, query: "rooms=r&role=sender" }];
  if (shape === "except") {
    const count = Math.max(1, Math.round(members / 100));
    return [inRoom, outsider, { role: "excluded", count, query: "rooms=r.x" }];
  }
  if (shape !== "union") return [inRoom, outsider];
  // A tenth is in both rooms and must still receive everything once.
  const both = Math.floor(members / 10);
  const left = Math.ceil((members - both) / 2);
  return [
    { role: "member", count: both, query: "rooms=a.b" },
    { role: "member", count: left, query: "rooms=a" },
    { role: "member", count: members - both - left, query: "rooms=b" },
    outsider,
  ];
}

/** Measures one saturated round. */
export async function measure(
  bench: Bench,
  one: Case,
  how: { pair: number; durationMs: number } & Plants,
): Promise<Round> {
  const { subject, generator } = bench;
  const window = how.window ?? windowOf(one);
  const firstSequence = bench.next;
  const segmentsBefore = await countSegments(subject.port);
  await generator.watch({
    firstSequence,
    sampleEvery: 16,
    credit: { port: bench.creditPort, window, step: Math.max(1, Math.floor(window / 4)) },
    napMs: napOf(one.members),
    ...(how.burnUs ? { burnUs: how.burnUs } : {}),
  });
  const before = await subject.usage();
  const emitted = await subject.saturate({
    shape: one.shape,
    firstSequence,
    payloadBytes: one.payload,
    framesPerTurn: one.frames,
    durationMs: how.durationMs,
    window,
  });
  const watched = await generator.settle(emitted.lastSequence, QUIET_MS);
  const after = await subject.usage();
  const segments = (await countSegments(subject.port)) - segmentsBefore;
  bench.next = emitted.lastSequence + 1;
  const cpuS = after.cpuUserS + after.cpuSysS - before.cpuUserS - before.cpuSysS;
  const wallS = (watched.lastAtUs - emitted.startedUs) / 1e6;
  const shares = {
    server: emitted.cpuS / (emitted.wallMs / 1000),
    client: (watched.cpuUserS + watched.cpuSysS) / (watched.wallMs / 1000 || 1),
    waiting: emitted.waitedMs / emitted.wallMs,
  };
  return {
    subject: subject.name,
    params: { ...one },
    pair: how.pair,
    values: {
      cpu_us_per_delivery: (cpuS * 1e6) / Math.max(1, watched.received),
      deliveries_per_s: watched.received / (wallS || 1),
      frames_per_write: segments > 0 ? watched.received / segments : -1,
      frames_per_read: watched.received / Math.max(1, watched.reads),
      server_share: shares.server,
      client_share: shares.client,
      waiting_share: shares.waiting,
      run_delay_share: (after.runDelayS - before.runDelayS) / (emitted.wallMs / 1000),
      server_cpu_user_s: after.cpuUserS - before.cpuUserS,
      server_cpu_sys_s: after.cpuSysS - before.cpuSysS,
      broadcasts: emitted.broadcasts,
      bytes: watched.bytes,
    },
    delivery: deliveryOf(watched),
    latency: watched.latency,
    flags: [
      ...judgeDelivery(watched),
      ...judgeSaturation(shares),
      ...judgeDuration(emitted.wallMs, how.durationMs, 1000),
    ],
  };
}

/** The part of a round's counts that a results file keeps. */
export function deliveryOf(counts: Delivery): Delivery {
  const { expected, received, lost, duplicated, reordered } = counts;
  return { expected, received, lost, duplicated, reordered };
}

function windowOf(one: Case): number {
  const fit = Math.floor(WINDOW_BYTES / (one.payload + OVERHEAD_BYTES));
  return Math.max(2 * one.frames, fit, 2);
}

/**
 * The generator sleeps about as long as the server needs for three rounds of its members, so that
 * a read finds several frames and the client's core stays below its server's.
 */
function napOf(members: number): number {
  // With so few members a nap would be longer than the credit lasts.
  if (members < 10) return 0;
  return Math.min(50, Math.max(1, Math.round(members / 50)));
}

/** Repeats short rounds until the last three cost the same, or `warmMs` are over. */
export async function warmUp(bench: Bench, one: Case, warmMs: number): Promise<Flag[]> {
  const costs: number[] = [];
  const endMs = performance.now() + warmMs;
  while (performance.now() < endMs) {
    const { values } = await measure(bench, one, {
      pair: 0,
      durationMs: Math.min(250, warmMs / 4),
    });
    costs.push(values.cpu_us_per_delivery ?? 0);
    const last = costs.slice(-3);
    if (last.length === 3 && Math.max(...last) / Math.min(...last) < 1.03) return [];
  }
  const figures = `${bench.subject.name}: ${costs.map((c) => c.toFixed(2)).join(", ")} µs`;
  return [makeFlag("warning", "not_warm", figures)];
}

const WITNESS = { clients: 3, messages: 20, timeoutMs: 5000 };

/** Three real clients join the recipients and check the content of a few broadcasts. */
export async function witness(bench: Bench, one: Case): Promise<Flag[]> {
  const options = {
    ...WITNESS,
    url: `http://127.0.0.1:${bench.subject.port}`,
    codec: one.codec,
    query: { rooms: one.shape === "union" ? "a.b" : "r" },
    firstSequence: bench.next,
    payloadBytes: one.payload,
  };
  await bench.generator.witness(options);
  await pace(bench, one, { ratePerS: 200, durationMs: WITNESS.messages * 5 });
  const seen = await bench.generator.witness(options);
  if (seen && seen.wrong === 0 && seen.received === seen.expected) return [];
  const figures = `${bench.subject.name}: ${JSON.stringify(seen)}`;
  return [makeFlag("error", "wrong_content", figures)];
}

/** Broadcasts on schedule, and waits until all members have everything. */
export async function pace(
  bench: Bench,
  one: Pick<Case, "shape" | "payload">,
  how: { ratePerS: number; durationMs: number },
) {
  const { subject, generator } = bench;
  const firstSequence = bench.next;
  await generator.watch({ firstSequence, sampleEvery: 1, napMs: 0 });
  const before = await subject.usage({ resetLag: true });
  const { shape, payload: payloadBytes } = one;
  const emitted = await subject.pace({ shape, payloadBytes, firstSequence, ...how });
  const watched = await generator.settle(emitted.lastSequence, QUIET_MS);
  const after = await subject.usage();
  bench.next = emitted.lastSequence + 1;
  const cpuS = after.cpuUserS + after.cpuSysS - before.cpuUserS - before.cpuSysS;
  return { emitted, watched, before, after, cpuS };
}
