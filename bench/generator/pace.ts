import { nowUs } from "../wire/marker.ts";

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Lets the whole process sleep, its event loop included. */
export function nap(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}

/**
 * Calls `act` for each n when n is due, late ones at once, with the time it was due. Resolves with
 * how late the worst one was.
 */
export function onSchedule(
  plan: { startedUs: number; gapUs: number; total: number },
  act: (n: number, dueUs: number) => void,
): Promise<number> {
  let n = 0;
  let lateUsMax = 0;
  return new Promise((resolve) => {
    const turn = () => {
      const now = nowUs();
      for (; n < plan.total; n++) {
        const dueUs = plan.startedUs + n * plan.gapUs;
        if (dueUs > now) break;
        lateUsMax = Math.max(lateUsMax, now - dueUs);
        act(n, dueUs);
      }
      if (n < plan.total) setTimeout(turn, 1);
      else resolve(lateUsMax);
    };
    turn();
  });
}
