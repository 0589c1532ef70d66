import { randomInt, randomUUID } from "node:crypto";
import { UsageError } from "./args.ts";
import type { Build } from "./build.ts";
import { type Collected, createContext } from "./context.ts";
import { hashEnvironment, readEnvironment, readGit } from "./environment.ts";
import { type Estimate, estimateRatios, judgeWarmth, PAIRS_MIN, summarise } from "./estimate.ts";
import { type Flag, isExcused, isValid, judgeNoise, judgeVoids, makeFlag } from "./flags.ts";
import { type Noise, watchNoise } from "./noise.ts";
import type { Placement } from "./process.ts";
import type { Result } from "./results.ts";
import type { Options, Scenario } from "./scenario.ts";

/** What running a scenario stands on. */
export interface RunNeeds {
  readonly argv: readonly string[];
  readonly options: Options;
  readonly build: Build;
  readonly placement: Placement;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly note: (text: string) => void;
  readonly isLate: () => boolean;
  readonly peers: ReadonlyMap<string, string>;
  readonly gateways: ReadonlyMap<string, string>;
}

/**
 * Runs a scenario in fresh processes and returns its result. An interrupted or failed one returns
 * what was measured until then, flagged and void; all its processes are gone in any case. Throws
 * only what the command line got wrong.
 */
export async function runScenario(scenario: Scenario, needs: RunNeeds): Promise<Result> {
  const seed = needs.options.number("seed", eachMode(randomInt(2 ** 31)));
  const startedAt = new Date().toISOString();
  const note = (text: string) => needs.note(`${scenario.name}: ${text}`);
  const context = createContext({ ...needs, note, seed });
  const { collected } = context;
  const watch = watchNoise(() => collected.pids);
  try {
    await scenario.run(context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const code = needs.signal.aborted ? "interrupted" : "subject_failed";
    context.flag(makeFlag("error", code, why));
  } finally {
    await context.dispose();
  }
  const noise = watch.stop();
  if (needs.placement.server === undefined)
    context.flag(makeFlag("warning", "not_pinned", "one core, or no taskset"));
  for (const flag of [...judgeNoise(noise), ...judgeVoids(collected.rounds)]) context.flag(flag);
  return makeResult(scenario, needs, { seed, startedAt, noise, collected });
}

function makeResult(
  scenario: Scenario,
  needs: RunNeeds,
  run: { seed: number; startedAt: string; noise: Noise; collected: Collected },
): Result {
  const { rounds, witnesses, flags } = run.collected;
  const env = readEnvironment();
  const baseline = scenario.baseline ?? "ours";
  const estimates = estimateRatios(rounds, scenario.metrics, {
    ...{ baseline, seed: run.seed },
    ...(scenario.baselines ? { baselines: scenario.baselines } : {}),
  });
  if (flags.every((flag) => flag.code !== "few_pairs")) flags.push(...judgePairs(estimates));
  flags.push(...judgeWarmth(rounds, scenario.metrics));
  return {
    schema_version: 1,
    run_id: randomUUID(),
    started_at: run.startedAt,
    finished_at: new Date().toISOString(),
    argv: needs.argv,
    seed: run.seed,
    git: readGit(),
    env,
    env_hash: hashEnvironment(env),
    noise: run.noise,
    scenario: {
      name: scenario.name,
      question: scenario.question,
      mode: needs.options.mode,
      baseline,
      metrics: scenario.metrics,
    },
    subjects: [...run.collected.subjects].map(([name, about]) => ({ name, about })),
    rounds,
    witnesses,
    summaries: summarise(rounds, scenario.metrics),
    estimates,
    valid: rounds.length > 0 && isValid(flags) && rounds.every((r) => isExcused(r.flags ?? [])),
    flags,
  };
}

/** A flag for estimates that rest on fewer pairs than a claim needs. */
function judgePairs(estimates: readonly Estimate[]): Flag[] {
  const fewest = Math.min(...estimates.map((estimate) => estimate.n_pairs));
  return fewest < PAIRS_MIN ? [makeFlag("warning", "few_pairs", `${fewest}`)] : [];
}

function eachMode(n: number) {
  return { quick: n, short: n, full: n };
}
