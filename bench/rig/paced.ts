import { planTimed } from "../generator/turns.ts";
import { type Bench, cpuBetween } from "./bench.ts";
import type { Case } from "./saturation.ts";
import { kindOf } from "./shapes.ts";

/** A round is over when nothing has arrived for this long. */
export const QUIET_MS = 3000;

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
  const timed = planTimed({ ...one, ...how, payloadBytes: one.payload });
  await generator.watch({
    ...{ firstSequence, tellsLatency: true, napMs: 0 },
    ...(timed ? { timed } : {}),
  });
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
