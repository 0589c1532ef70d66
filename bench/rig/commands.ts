import { SCENARIOS } from "../scenarios/all.ts";
import { type CommandLine, UsageError } from "./args.ts";
import { buildScripts } from "./build.ts";
import { readPlacement } from "./process.ts";
import { createProgress } from "./progress.ts";
import { RESULTS, type Result, writeResult } from "./results.ts";
import { runScenario } from "./run.ts";
import { formatResult } from "./table.ts";

/** What commands stand on besides their words. */
export interface CommandNeeds {
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
}

/** Flags that mean a server did wrong, not that the machine was loud. */
const WRONG = new Set(["lost", "duplicated", "reordered", "stray", "wrong_content"]);

/** Runs what a command line asks for and returns the exit code. */
export async function runCommand(line: CommandLine, needs: CommandNeeds): Promise<number> {
  const [command] = line.rest;
  if (line.has("help")) {
    console.log(help());
    return 0;
  }
  return command === undefined || SCENARIOS.some((s) => s.name === command)
    ? runScenarios(line, needs)
    : unknownCommand(command);
}

function unknownCommand(command: string): never {
  throw new UsageError(`there is no scenario or command "${command}"`);
}

async function runScenarios(line: CommandLine, needs: CommandNeeds): Promise<number> {
  const names = line.rest.length > 0 ? line.rest : line.words("scenarios", namesOfAll());
  const chosen = names.map(
    (name) => SCENARIOS.find((s) => s.name === name) ?? unknownCommand(name),
  );
  const folder = line.text("results") ?? RESULTS;
  const progress = createProgress(process.stderr);
  const build = await buildScripts();
  const results: Result[] = [];
  try {
    for (const scenario of chosen) {
      if (needs.signal.aborted) break;
      const result = await runScenario(scenario, {
        ...needs,
        options: line,
        build,
        placement: readPlacement(),
        say: progress.say,
        gateways: new Map(),
      });
      progress.clear();
      results.push(result);
      console.log(formatResult(result));
      console.log(`  ${writeResult(folder, result)}`);
    }
  } finally {
    progress.clear();
    build.remove();
  }
  return exitCodeOf(results, { strict: line.has("strict"), interrupted: needs.signal.aborted });
}

function namesOfAll(): string[] {
  return SCENARIOS.map((scenario) => scenario.name);
}

/**
 * 0 when everything ran; 2 when a message went wrong, 1 when a subject could not be measured, 130
 * when interrupted. A loud machine only voids figures, unless `--strict` makes that 3.
 */
export function exitCodeOf(
  results: readonly Result[],
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

function help(): string {
  const scenarios = SCENARIOS.map((s) => `  ${s.name.padEnd(10)} ${s.question}`).join("\n");
  return `npm run bench -- [scenario…] [--quick|--full] [options]

${scenarios}

  --quick | --full       a smoke test, or everything; between them the set for three minutes
  --members 10,1k        room sizes              --payload 128      bytes of a message
  --frames 1,10          broadcasts per turn     --codec msgpack    msgpack,json
  --against bare,…       subjects beside ours    --rounds 5         blocks of two pairs
  --seconds 0.25         length of a round       --seed 1           repeats orders
  --results folder       where files go          --strict           exit 3 on any void figure`;
}
