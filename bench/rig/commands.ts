import { SCENARIOS } from "../scenarios/all.ts";
import { type CommandLine, UsageError } from "./args.ts";
import { makeLoadScenario } from "./load.ts";
import { PEERS } from "./peers.ts";
import { writeReport, writeScale } from "./report.ts";
import { RESULTS } from "./results.ts";
import { runAll } from "./run-all.ts";
import type { Scenario } from "./scenario.ts";

/** What commands stand on besides their words. */
export interface CommandNeeds {
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
}

/** Scenarios that start what this tree is made of, not a gateway they are given. */
const OF_THIS_TREE = new Set(["codec", "start", "cluster"]);

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
    return runAll([scenario], { ...needs, line, isLocal: true });
  }
  if (command === "compare") return runComparison(line, needs, more);
  const set = SCENARIOS.filter(({ inSet }) => line.mode === "full" || inSet !== false);
  const scenarios = command === undefined ? set : line.rest.map(findScenario);
  return runAll(scenarios, { ...needs, line });
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
  const compared = [ref, line.text("with") ?? "HEAD"] as const;
  return runAll([scenario], { ...needs, line, compared, isLocal: true });
}

function findScenario(name: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario) return scenario;
  throw new UsageError(`there is no scenario or command "${name}"`);
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
npm run bench -- scale [--results folder]   extrapolates the costs of cluster to up to 200 nodes
npm run bench -- compare <git-ref> [scenario] [--with git-ref] [options]
npm run bench -- load --url http://host:3000 --clients 1000 --room r --rate 200 [options]

  scenario  alone, --full   question
${scenarios}

  --quick | --full       a smoke test, or everything (hours). Without either and without a scenario:
                         the short set, which takes three minutes at most. A slow machine measures
                         fewer pairs; scenarios that it has no time for are named
  --members 10,1k        room sizes              --payload 128      bytes of a message
  --shapes room,except-1 who receives            --frames 1,20      broadcasts per turn
  --codec msgpack,json   what clients speak      --against bare     subjects to compare with
  --peers                also measures servers in other languages, in the scenarios that support
                         them: ${PEERS.map(({ name, tool }) => `${name} (built by ${tool})`).join(", ")}
  --rounds 5             blocks of two pairs     --seconds 0.25     length of a round
  --rate 100,200         messages per second     --connections 100  of echo, connect, idle
  --stalled 0,10         percent that stall      --clients 1000     of storm and load
  --seed 1               fixes random order      --results folder   where files go
  --only nodes,redis     rows of cluster         --batch 20,1       events of a batch, of durable
  --strict               exits with 3 if a figure is void

Files go to bench/results/. Those of load, compare and --quick go to bench/results/local/, which git
ignores.

load only: --seconds 10  --senders 1  --auth '{"token":"…"}'  --namespace /chat  --path /socket.io/
  --join join            event that joins a room: (room); empty if the server decides
  --send message         event that is sent: (room, text), or (text) with --no-room
  --settle 1             seconds between joining and sending
  --ca ca.pem            CA certificates for an https URL; --insecure skips the check`;
}
