import type { Call, Lane } from "./call.ts";

/** Older calls of lanes, at other nodes or workers. */
export interface Elders {
  /** What the first call of a lane has to wait for; `undefined` if it may be delivered. */
  hold(lane: Lane, call: Call): Promise<void> | undefined;
  /** Resolves when nobody else has calls of this lane that are older than this one. */
  gone(lane: Lane, call: Call): Promise<void>;
  /** Lets everyone go on. */
  stop(): void;
}

/** What is needed to find them. A `Head` names a call to those who are asked. */
export interface EldersNeeds<Head> {
  headOf(lane: Lane, call: Call): Head;
  /** Says for each head, in their order, whether others have older calls. May reject. */
  elsewhere(heads: readonly Head[]): Promise<readonly boolean[]>;
}

/** How long a lane waits before the others are asked again: from the first to the second. */
const LOOK_MS = { min: 20, max: 1000 } as const;

interface Waiting<Head> {
  readonly head: Head;
  readonly resolve: () => void;
  waitMs: number;
  dueAt: number;
}

/**
 * Returns who looks whether lanes have older calls elsewhere: all that are due in one question, and
 * each ever less often. While nobody can say they wait.
 */
export function createElders<Head>({ headOf, elsewhere }: EldersNeeds<Head>): Elders {
  const waiting = new Set<Waiting<Head>>();
  let timer: NodeJS.Timeout | undefined;
  let asking = false;
  let stopped = false;

  async function look(): Promise<void> {
    const now = performance.now();
    const due = [...waiting].filter(({ dueAt }) => dueAt <= now);
    asking = true;
    const heads = due.map(({ head }) => head);
    const answers = await elsewhere(heads).catch(() => heads.map(() => true));
    asking = false;
    for (const [at, one] of due.entries()) {
      if (answers[at] === false) {
        waiting.delete(one);
        one.resolve();
      } else {
        one.dueAt = performance.now() + one.waitMs * (0.5 + Math.random() / 2);
        one.waitMs = Math.min(one.waitMs * 2, LOOK_MS.max);
      }
    }
    plan();
  }

  function plan(): void {
    clearTimeout(timer);
    if (asking || stopped || waiting.size === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of waiting) next = Math.min(next, dueAt);
    timer = setTimeout(() => void look(), Math.max(0, next - performance.now()));
  }

  function gone(lane: Lane, call: Call): Promise<void> {
    return new Promise((resolve) => {
      if (stopped) return resolve();
      waiting.add({ head: headOf(lane, call), resolve, waitMs: LOOK_MS.min, dueAt: 0 });
      plan();
    });
  }

  return {
    hold(lane, call) {
      if (stopped || !lane.mayBeElsewhere || lane.cleared === call) return undefined;
      // A client does not wait to be let in until a backlog is delivered.
      if (call.kind === "connect") return undefined;
      return gone(lane, call).then(() => {
        // Between two such calls others may have one.
        if (lane.isAdopted || call.order <= lane.mixedUpTo) lane.cleared = call;
        else lane.mayBeElsewhere = false;
      });
    },
    gone,
    stop() {
      stopped = true;
      clearTimeout(timer);
      for (const { resolve } of waiting) resolve();
      waiting.clear();
    },
  };
}
