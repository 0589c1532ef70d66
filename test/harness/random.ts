/**
 * How many random cases a test plays, and which. They are the same in every run, so that the outcome
 * depends on the code alone. `npm run explore` plays others, and more of them.
 */

/** `SEED=7` plays those of that seed, `SEED=random` those of a new one. */
export const SEED =
  process.env.SEED === "random" ? Date.now() % 2 ** 31 : Number(process.env.SEED ?? 1);

/** `TIMES=20` plays twenty times as many as usual. */
export const TIMES = Number(process.env.TIMES ?? 1);

/** Returns what fast-check needs to play `usual` cases. If one fails, it prints the seed and the case. */
export function cases(usual: number) {
  return {
    seed: SEED,
    numRuns: usual * TIMES,
    endOnFailure: true,
    includeErrorInReport: true,
  } as const;
}
