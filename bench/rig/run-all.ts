import { relative } from "node:path";
import { type CommandLine, UsageError } from "./args.ts";
import { type Build, buildScripts } from "./build.ts";
import { type Comparison, prepareComparison } from "./compare.ts";
import { formatOverview } from "./overview.ts";
import { buildPeers, peersOf } from "./peers.ts";
import { moveToClient, readPlacement } from "./process.ts";
import { createProgress, type Progress } from "./progress.ts";
import { writeCharts } from "./report.ts";
import { LOCAL_RESULTS, RESULTS, type Result, writeResult } from "./results.ts";
import { runScenario } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { formatResult } from "./table.ts";

/** What a run of scenarios stands on. */
export interface RunAll {
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
  readonly line: CommandLine;
  /** Two commits that are measured against each other. */
  readonly compared?: readonly [string, string];
  /** Whether the figures are nothing for the report: git does not see their files. */
  readonly isLocal?: boolean;
}

/** Compiling and starting. */
const START_S = 8;

/** The set of all takes no longer than it promises, on any machine. */
const SET_S = 180;

/** Flags that mean a server did wrong, not that the machine was loud. */
const WRONG = new Set(["lost", "duplicated", "reordered", "stray", "wrong_content"]);

/**
 * Runs scenarios one after another and returns the exit code; each leaves its file and pictures
 * before the next begins.
 */
export async function runAll(scenarios: readonly Scenario[], run: RunAll): Promise<number> {
  const { line, signal } = run;
  const planned = [START_S, ...scenarios.map((scenario) => secondsOf(scenario, line))];
  const now = () => performance.now();
  const isSet = !line.isNamed && line.mode === "short";
  const mostS = isSet ? SET_S : Infinity;
  const progress = createProgress(planned, { stream: process.stderr, now, mostS });
  progress.say("compiling the benchmark");
  const build = await buildScripts();
  const results: Result[] = [];
  let comparison: Comparison | undefined;
  try {
    comparison = await compile(scenarios, run, { build, progress });
    const { say, note } = progress;
    const peers = await buildPeers(peersOf(line), { signal, say, note });
    const placement = readPlacement();
    moveToClient(placement);
    const gateways = comparison?.gateways ?? new Map<string, string>();
    const needs = { ...run, options: line, build, placement, gateways, peers, say, note };
    const budget = createBudget(planned, mostS);
    for (const [i, scenario] of scenarios.entries()) {
      if (signal.aborted) break;
      progress.begin();
      if (!budget.hasTimeFor(i + 1, now() / 1000)) {
        const { name } = scenario;
        note(`${name} is left out, for the time is over: npm run bench -- ${name}`);
        continue;
      }
      const isLate = () => now() / 1000 > budget.endOf(i + 1);
      const baseline = comparison ? { baseline: comparison.baseline } : {};
      const result = await runScenario({ ...scenario, ...baseline }, { ...needs, isLate });
      progress.clear();
      results.push(result);
      await show(result, run);
    }
  } catch (error) {
    // What was interrupted while it was compiled has nothing to keep.
    if (!signal.aborted || error instanceof UsageError) throw error;
  } finally {
    progress.end();
    comparison?.remove();
    build.remove();
  }
  if (results.length > 1) console.log(formatOverview(results, now()));
  return exitCodeOf(results, { strict: line.has("strict"), interrupted: signal.aborted });
}

/** What a run's parts may take of its time. */
export interface Budget {
  /** Second at which a part should end, so that those after it fit. */
  endOf(part: number): number;
  /** Whether a part that begins now would end in time, by the pace of those before. */
  hasTimeFor(part: number, nowS: number): boolean;
}

/** Returns the budget of a run whose parts take about `planned` seconds, and all `mostS` at most. */
export function createBudget(planned: readonly (number | undefined)[], mostS: number): Budget {
  const sum = (parts: typeof planned) => parts.reduce<number>((total, s) => total + (s ?? 0), 0);
  return {
    endOf: (part) => mostS - sum(planned.slice(part + 1)),
    hasTimeFor(part, nowS) {
      const pace = Math.max(1, nowS / sum(planned.slice(0, part)));
      return nowS + (planned[part] ?? 0) * pace <= mostS;
    },
  };
}

/** Compiles what the scenarios start: this tree's gateway, or those of two commits. */
async function compile(
  scenarios: readonly Scenario[],
  { compared, signal }: RunAll,
  { build, progress }: { build: Build; progress: Progress },
): Promise<Comparison | undefined> {
  const { say, note } = progress;
  if (compared) return prepareComparison(...compared, { signal, say, warn: note });
  if (scenarios.every(({ usesGateway }) => usesGateway === false)) return undefined;
  say("compiling the gateway");
  await build.compileGateway(signal);
  return undefined;
}

/** Prints a result, and writes its file and pictures. */
async function show(result: Result, { line, isLocal }: RunAll): Promise<void> {
  console.log(formatResult(result));
  const kept = isLocal || line.mode === "quick" ? LOCAL_RESULTS : RESULTS;
  const folder = line.text("results") ?? kept;
  const path = writeResult(folder, result);
  const charts = await writeCharts(folder, { file: path, result });
  console.log([path, ...charts].map((file) => `  ${relative(process.cwd(), file)}`).join("\n"));
}

/** About how long a scenario takes with a command line; undefined where nobody knows. */
export function secondsOf({ seconds }: Scenario, line: CommandLine): number | undefined {
  const named = line.isNamed && line.mode === "short" ? seconds?.named : undefined;
  const usual = named ?? seconds?.[line.mode];
  // Four subjects are usual, and six with peers.
  return usual === undefined || !line.has("peers") ? usual : usual * 1.5;
}

/**
 * 0 when everything ran; 2 when a message went wrong, 1 when a subject could not be measured, 130
 * when interrupted. A loud machine only voids figures, unless `--strict` makes that 3.
 */
export function exitCodeOf(
  results: readonly Pick<Result, "flags" | "rounds" | "valid">[],
  how: { strict: boolean; interrupted: boolean },
): number {
  const codes = results.flatMap((result) =>
    [...result.flags, ...result.rounds.flatMap((round) => round.flags ?? [])]
      .filter((flag) => flag.severity === "error")
      .map((flag) => flag.code),
  );
  if (how.interrupted) return 130;
  if (codes.some((code) => WRONG.has(code))) return 2;
  if (codes.includes("subject_failed") || codes.includes("nothing_measured")) return 1;
  return how.strict && results.some((result) => !result.valid) ? 3 : 0;
}
