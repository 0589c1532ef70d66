import type { SubjectOptions } from "../subjects/host.ts";
import { MARKER_BYTES } from "../wire/marker.ts";
import type { Codec } from "../wire/packets.ts";
import { type Bench, connectClients, cpuBetween, deliveryOf, openBench } from "./bench.ts";
import { judgeDelivery, judgeDuration, judgeSaturation } from "./flags.ts";
import { QUIET_MS } from "./paced.ts";
import { warmUp } from "./rounds.ts";
import type { Context, Round } from "./scenario.ts";
import { countSegments } from "./segments.ts";
import { groupsOf, kindOf, type ShapeWord } from "./shapes.ts";

/** One combination of what is varied. */
export interface Case {
  readonly codec: Codec;
  readonly shape: ShapeWord;
  readonly members: number;
  readonly payload: number;
  /** Broadcasts per turn of the server's event loop. */
  readonly frames: number;
}

/** What tests of the rig plant. */
export interface Plants {
  readonly loseEvery?: number;
  readonly burnUs?: number;
  /** Messages of credit, so few that a slow client is felt at once. */
  readonly window?: number;
}

/** How one saturated round goes. */
export interface Saturated extends Plants {
  readonly pair: number;
  readonly durationMs: number;
  /** Whether the handler of an event broadcasts, instead of a turn of the loop of its own. */
  readonly inHandler?: boolean;
}

/**
 * Bytes a server may be ahead of the slowest member, and of all members together. On loopback the
 * kernel holds 4 MB for a reader that stands still, so they never reach a server's own memory,
 * where stock drops silently above 64 KiB: a round in which anyone dropped would be void.
 */
const WINDOW_BYTES = 256 * 1024;
const WINDOWS_BYTES = 128 * 1024 * 1024;
/** Marker, event name and framing around a payload, roughly. */
const OVERHEAD_BYTES = 40;

/** Opens a bench whose clients are the recipients of a shape, and those who are none. */
export function openRoom(
  context: Context,
  name: string,
  one: Pick<Case, "codec" | "shape" | "members">,
  more: Pick<SubjectOptions, "loseEvery"> = {},
): Promise<Bench> {
  const groups = groupsOf(one.shape, one.members);
  // A union that is used for the first time has no topic yet, and with this it never gets one.
  const first = one.shape === "union-first" ? { unionMembersMax: 0 } : {};
  return openBench(context, name, { codec: one.codec, groups }, { ...more, ...first });
}

/** Members that a compiler is warmed up with. */
const FEW = 10;
/** Broadcasts a turn while it is: most calls a second. */
const FEW_FRAMES = 20;

/**
 * Opens a bench as {@link openRoom} does, but lets the subject broadcast to a few of its members
 * for `warmMs` before all others connect. A compiler counts calls, and a broadcast to thousands is
 * one call that takes milliseconds.
 */
export async function openWarmRoom(
  context: Context,
  name: string,
  one: Pick<Case, "codec" | "shape" | "members">,
  warmMs: number,
): Promise<Bench> {
  const members = Math.min(FEW, one.members);
  const few = { ...one, members, payload: MARKER_BYTES, frames: FEW_FRAMES };
  const bench = await openRoom(context, name, few);
  await warmUp(warmMs, (turn) => measure(bench, few, turn));
  const connected = groupsOf(one.shape, members);
  const groups = groupsOf(one.shape, one.members).map((group, i) => ({
    ...group,
    count: group.count - (connected[i]?.count ?? 0), // both lists are of one shape
  }));
  const more = groups.filter((group) => group.count > 0);
  if (more.length > 0) await connectClients(context, bench, { codec: one.codec, groups: more });
  return bench;
}

/** Measures one saturated round. */
export async function measure(bench: Bench, one: Case, how: Saturated): Promise<Round> {
  const { subject, generator } = bench;
  const window = how.window ?? windowOf(one);
  const firstSequence = bench.next;
  const segmentsBefore = await countSegments(subject.port);
  await generator.watch({
    firstSequence,
    tellsLatency: false,
    credit: { port: bench.creditPort, window, step: Math.max(1, Math.floor(window / 4)) },
    napMs: napOf(one.members),
    ...(how.burnUs ? { burnUs: how.burnUs } : {}),
  });
  const before = await subject.usage();
  const emitted = await subject.saturate({
    shape: kindOf(one.shape),
    firstSequence,
    payloadBytes: one.payload,
    framesPerTurn: one.frames,
    durationMs: how.durationMs,
    window,
    ...(how.inHandler ? { inHandler: true } : {}),
  });
  const watched = await generator.settle(emitted.lastSequence, QUIET_MS);
  const after = await subject.usage();
  const segments = (await countSegments(subject.port)) - segmentsBefore;
  bench.next = emitted.lastSequence + 1;
  const cpuS = cpuBetween(before, after);
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
    flags: [
      ...judgeDelivery(watched),
      ...judgeSaturation(shares),
      ...judgeDuration(emitted.wallMs, how.durationMs, 1000),
    ],
  };
}

function windowOf(one: Case): number {
  const bytes = Math.min(WINDOW_BYTES, WINDOWS_BYTES / one.members);
  const fit = Math.floor(bytes / (one.payload + OVERHEAD_BYTES));
  return Math.max(2 * one.frames, fit, 2);
}

/** With few members the credit does not last longer. */
const NAP_MS_MIN = 0.1;

/**
 * The generator sleeps about as long as the server needs for three broadcasts of one a turn, so
 * that a read finds several frames and the client's core stays below its server's; a quarter of what the
 * credit lasts for at twenty a turn, so that the server does not wait when a sleep takes longer.
 */
function napOf(members: number): number {
  return Math.min(50, Math.max(NAP_MS_MIN, members / 100));
}
