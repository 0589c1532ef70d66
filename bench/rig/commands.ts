import { relative } from "node:path";
import { SCENARIOS } from "../scenarios/all.ts";
import { type CommandLine, UsageError } from "./args.ts";
import { buildScripts } from "./build.ts";
import { prepareComparison } from "./compare.ts";
import { makeLoadScenario } from "./load.ts";
import { formatOverview } from "./overview.ts";
import { moveToClient, readPlacement } from "./process.ts";
import { createProgress } from "./progress.ts";
import { writeCharts, writeReport, writeScale } from "./report.ts";
import { RESULTS, type Result, writeResult } from "./results.ts";
import { runScenario } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { formatResult } from "./table.ts";

/** What commands stand on besides their words. */
export interface CommandNeeds {
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
}

/** Compiling and starting. */
const START_S = 5;

/** Scenarios that start what this tree is made of, not a gateway they are given. */
const OF_THIS_TREE = new Set(["codec", "start", "cluster"]);

/** Flags that mean a server did wrong, not that the machine was loud. */
const WRONG = new Set(["lost", "duplicated", "reordered", "stray", "wrong_content"]);

/** Runs what a command line asks for and returns the exit code. */
export async function runCommand(line: CommandLine, needs: CommandNeeds): Promise<number> {
  const [command, ...more] = line.rest;
  const folder = line.text("results") ?? RESULTS;
  if (line.has("help") || command === "help") {
    console.log(help());
    return 0;
  }
  if (command === "report") {
    for (const text of await writeReport(folder)) console.log(text);
    return 0;
  }
  if (command === "scale") {
    for (const text of await writeScale(folder)) console.log(text);
    return 0;
  }
  if (command === "load") {
    const scenario = makeLoadScenario(line);
    return runAll([scenario], { ...needs, line, gateways: new Map() });
  }
  if (command === "compare") return runComparison(line, needs, more);
  const set = SCENARIOS.filter(({ inSet }) => line.mode === "full" || inSet !== false);
  const scenarios = command === undefined ? set : line.rest.map(findScenario);
  return runAll(scenarios, { ...needs, line, gateways: new Map() });
}

async function runComparison(
  line: CommandLine,
  needs: CommandNeeds,
  [ref, name = "fanout"]: readonly string[],
): Promise<number> {
  if (ref === undefined) throw new UsageError("compare needs a git ref");
  const scenario = findScenario(name);
  if (OF_THIS_TREE.has(name))
    throw new UsageError(`${name} measures this tree and cannot compare two commits`);
  const comparison = prepareComparison(ref, line.text("with") ?? "HEAD", console.error);
  try {
    const { gateways, baseline } = comparison;
    return await runAll([{ ...scenario, baseline }], { ...needs, line, gateways });
  } finally {
    comparison.remove();
  }
}

interface RunAll extends CommandNeeds {
  readonly line: CommandLine;
  readonly gateways: ReadonlyMap<string, string>;
}

/** Runs scenarios one after another; each leaves its file and pictures before the next begins. */
async function runAll(scenarios: readonly Scenario[], run: RunAll): Promise<number> {
  const { line, signal } = run;
  const folder = line.text("results") ?? RESULTS;
  const seconds = expectSeconds(scenarios, line);
  const progress = createProgress(process.stderr, { seconds, parts: scenarios.length });
  const placement = readPlacement();
  moveToClient(placement);
  const build = await buildScripts();
  const results: Result[] = [];
  const startedMs = performance.now();
  try {
    for (const scenario of scenarios) {
      if (signal.aborted) break;
      progress.begin();
      const needs = { ...run, options: line, build, placement, say: progress.say };
      const result = await runScenario(scenario, needs);
      progress.clear();
      results.push(result);
      console.log(formatResult(result));
      const path = writeResult(folder, result);
      const charts = await writeCharts(folder, { file: path, result });
      console.log([path, ...charts].map((file) => `  ${relative(process.cwd(), file)}`).join("\n"));
    }
  } finally {
    progress.clear();
    build.remove();
  }
  if (results.length > 1) console.log(formatOverview(results, performance.now() - startedMs));
  return exitCodeOf(results, { strict: line.has("strict"), interrupted: signal.aborted });
}

/** The sum of what is known; undefined when nothing is. */
function expectSeconds(
  scenarios: readonly Scenario[],
  { mode, isNamed }: CommandLine,
): number | undefined {
  const known = scenarios.flatMap(({ seconds }) => {
    const named = isNamed && mode === "short" ? seconds?.named : undefined;
    return named ?? seconds?.[mode] ?? [];
  });
  return known.length === 0 ? undefined : known.reduce((sum, seconds) => sum + seconds, START_S);
}

function findScenario(name: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario) return scenario;
  throw new UsageError(`there is no scenario or command "${name}"`);
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

/** About how long a scenario takes on its own, and with `--full`. */
function howLong({ seconds }: Scenario): string {
  if (seconds === undefined) return "";
  return [seconds.named ?? seconds.short, seconds.full]
    .map((s) => (s < 100 ? `${s} s` : `${Math.round(s / 60)} min`))
    .join(", ");
}

function help(): string {
  const scenarios = SCENARIOS.map(
    (s) => `  ${s.name.padEnd(9)} ${howLong(s).padEnd(15)} ${s.question}`,
  ).join("\n");
  return `npm run bench -- [scenario…] [--quick|--full] [options]
npm run bench -- report [--results folder]
npm run bench -- scale [--results folder]   what up to 200 nodes would carry, by the costs of cluster
npm run bench -- compare <git-ref> [scenario] [--with git-ref] [options]
npm run bench -- load --url http://host:3000 --clients 1000 --room r --rate 200 [options]

  scenario  alone, --full   question
${scenarios}

  --quick | --full       a smoke test, or everything (an hour); without either, and without a
                         scenario, the set that fits in three minutes
  --members 10,1k        room sizes              --payload 128      bytes of a message
  --shapes room,except-1 who receives            --frames 1,20      broadcasts per turn
  --codec msgpack,json   what clients speak      --against bare     subjects beside ours
  --rounds 5             blocks of two pairs     --seconds 0.25     length of a round
  --rate 100,200         messages per second     --connections 100  of echo, connect, idle
  --stalled 0,10         percent that stop       --clients 1000     of storm and load
  --seed 1               repeats orders          --results folder   where files go
  --only nodes,redis     rows of cluster         --batch 20,1       events of a batch, of durable
  --strict               exit 3 on any void figure

load only: --seconds 10  --senders 1  --auth '{"token":"…"}'  --namespace /chat  --path /socket.io/
  --join join            event that joins a room: (room); empty when the server decides
  --send message         event that is sent: (room, text), or (text) with --no-room
  --settle 1             seconds between joining and sending
  --ca ca.pem            certificates to believe of an https URL; --insecure believes any`;
}
