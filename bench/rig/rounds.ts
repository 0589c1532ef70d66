import { isValid } from "./flags.ts";
import type { Context, Round } from "./scenario.ts";

/** Who takes turns, and how often. */
export interface Plan {
  /** What is measured, for the line of progress. */
  readonly what: string;
  readonly subjects: readonly string[];
  /** Of A B C C B A: two pairs each. */
  readonly blocks: number;
}

/** Whose turn it is. */
export interface Turn {
  readonly subject: string;
  readonly pair: number;
}

/** Blocks that may be added, per block planned, for pairs that the machine voided. */
const EXTRA_SHARE = 0.4;
/** Above this share of void pairs the machine is too loud, and more of the same would be, too. */
const HOPELESS_SHARE = 0.5;

/** Windows of a warm-up whose costs are compared, and how much they may differ. */
const WINDOWS = 3;
const SETTLED = 1.03;
/** A warm-up has at most so many windows. */
const WINDOWS_MAX = 6;

/**
 * Repeats short rounds until the last three cost the same, or `warmMs` are over: compilers need
 * time and calls. Whether that was enough, the rounds tell that follow.
 */
export async function warmUp(
  warmMs: number,
  measure: (turn: { pair: number; durationMs: number }) => Promise<Round>,
): Promise<void> {
  const costs: number[] = [];
  const endMs = performance.now() + warmMs;
  while (performance.now() < endMs) {
    const { values } = await measure({ pair: 0, durationMs: warmMs / WINDOWS_MAX });
    costs.push(Object.values(values)[0] ?? 0); // a round's first value is its primary metric
    const last = costs.slice(-WINDOWS);
    if (last.length === WINDOWS && Math.max(...last) / Math.min(...last) < SETTLED) return;
  }
}

/** Opens what each subject is measured with in all its rounds, one after the other. */
export async function openLanes<L>(
  context: Context,
  { what, subjects }: Pick<Plan, "what" | "subjects">,
  open: (subject: string) => Promise<L>,
): Promise<Map<string, L>> {
  const lanes = new Map<string, L>();
  for (const subject of subjects) {
    context.say(`${what}: ${subject} starts`);
    lanes.set(subject, await open(subject));
  }
  return lanes;
}

/** Returns a measurement of whoever's turn it is, with what was opened for it. */
export function inLanes<L>(
  lanes: ReadonlyMap<string, L>,
  measure: (lane: L, turn: Turn) => Promise<Round>,
): (turn: Turn) => Promise<Round> {
  return (turn) => {
    const lane = lanes.get(turn.subject);
    if (lane === undefined) throw new Error(`${turn.subject} was not opened`);
    return measure(lane, turn);
  };
}

/** Returns a measurement whose processes end with it. */
export function afresh<R>(
  context: Context,
  measure: (turn: Turn) => Promise<R>,
): (turn: Turn) => Promise<R> {
  return async (turn) => {
    const measured = await measure(turn);
    await context.closeAll();
    return measured;
  };
}

/**
 * Measures the subjects in turns and records their rounds. A pair with a void round is made up for
 * by another one later, as long as that is the exception.
 */
export async function measurePairs(
  context: Context,
  plan: Plan,
  measure: (turn: Turn) => Promise<Round | readonly Round[]>,
): Promise<void> {
  const { what, subjects, blocks } = plan;
  const wanted = blocks * 2;
  const most = blocks + Math.floor(blocks * EXTRA_SHARE);
  const voided = new Set<number>();
  for (let block = 0; block < most; block++) {
    const first = block * 2;
    if (first - voided.size >= wanted) return;
    // What is told of fewer pairs carries no claim, and says so.
    if (block > 0 && context.isLate()) return;
    if (block >= blocks && voided.size > first * HOPELESS_SHARE) return;
    for (const { subject, pair: half } of context.interleave(subjects, 1)) {
      const pair = first + half;
      context.say(`${what}: ${subject}, ${pair + 1} of ${Math.max(wanted, first + 2)}`);
      for (const round of [await measure({ subject, pair })].flat()) {
        context.record(round);
        if (!isValid(round.flags ?? [])) voided.add(pair);
      }
    }
  }
}
