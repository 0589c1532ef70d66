import { type Bench, cpuBetween } from "./bench.ts";
import type { Case } from "./saturation.ts";
import { kindOf } from "./shapes.ts";

/** A round is over when nothing has arrived for this long. */
export const QUIET_MS = 3000;

/** Reads a second that take about a quarter of the generator's core: below, everyone is timed. */
const READS_PER_S = 50_000;
/** A server that is behind its schedule sends several at once, about so often in a second. */
const TURNS_PER_S = 1000;
/** Members that tell latency where not everyone can; the others only check. */
const TIMED = 25;
/** So many of the others are read in a millisecond: about a sixth of the generator's core. */
const READ_PER_MS = 20;
/** Bytes that may wait for a member to be read, so that its connection is never the limit. */
const WAITING_BYTES = 32 * 1024;

/** What is sent on schedule. */
export type Paced = Pick<Case, "shape" | "payload" | "members">;

/** How often, and for how long. */
export interface Pace {
  readonly ratePerS: number;
  readonly durationMs: number;
}

/** Broadcasts on schedule, and waits until all members have everything. */
export async function pace(bench: Bench, one: Paced, how: Pace) {
  const { subject, generator } = bench;
  const firstSequence = bench.next;
  await generator.watch({ firstSequence, tellsLatency: true, napMs: 0, ...timedOf(one, how) });
  const before = await subject.usage({ watchLag: true });
  const emitted = await subject.pace({
    shape: kindOf(one.shape),
    payloadBytes: one.payload,
    firstSequence,
    ...how,
  });
  const watched = await generator.settle(emitted.lastSequence, QUIET_MS);
  const after = await subject.usage();
  bench.next = emitted.lastSequence + 1;
  return { emitted, watched, before, after, cpuS: cpuBetween(before, after) };
}

function timedOf({ members, payload }: Paced, { ratePerS }: Pace) {
  if (members <= TIMED || members * Math.min(ratePerS, TURNS_PER_S) <= READS_PER_S) return {};
  const fullMs = (WAITING_BYTES / (payload * ratePerS)) * 1000;
  const everyMs = Math.max(1, Math.min(members / READ_PER_MS, fullMs));
  return { timed: { members: TIMED, everyMs } };
}
