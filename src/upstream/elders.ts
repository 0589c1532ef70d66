import type { Journal, LaneHead } from "../core/journal.ts";

/** Older calls of lanes, in the journals of other nodes. */
export interface Elders {
  /** Resolves when no other journal has older calls of this lane. */
  gone(head: LaneHead): Promise<void>;
  /** Lets everyone go on. */
  stop(): void;
}

/** How long a lane waits before its journals are looked at again: from the first to the second. */
const LOOK_MS = { min: 20, max: 1000 } as const;

interface Waiting {
  readonly head: LaneHead;
  readonly resolve: () => void;
  waitMs: number;
  dueAt: number;
}

/**
 * Returns who looks whether lanes have older calls elsewhere: all that are due in one question, and
 * each ever less often. While Redis is away they wait.
 */
export function createElders(journal: Pick<Journal, "elsewhere">): Elders {
  const waiting = new Set<Waiting>();
  let timer: NodeJS.Timeout | undefined;
  let asking = false;
  let stopped = false;

  async function look(): Promise<void> {
    const now = performance.now();
    const due = [...waiting].filter(({ dueAt }) => dueAt <= now);
    asking = true;
    const heads = due.map(({ head }) => head);
    const answers = await journal.elsewhere(heads).catch(() => heads.map(() => true));
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

  return {
    gone: (head) =>
      new Promise((resolve) => {
        if (stopped) return resolve();
        waiting.add({ head, resolve, waitMs: LOOK_MS.min, dueAt: 0 });
        plan();
      }),
    stop() {
      stopped = true;
      clearTimeout(timer);
      for (const { resolve } of waiting) resolve();
      waiting.clear();
    },
  };
}
