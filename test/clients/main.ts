/** The any-client suite: `npm run clients -- --help`. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Scope } from "../harness/process.ts";
import { CLIENTS, type Client } from "./clients.ts";
import { findProblems, type Results, readResults, writeResults } from "./results.ts";
import { type Run, runClient } from "./run.ts";

const USAGE = `usage: npm run clients -- [NAME…] [--jobs 2] [--write]

Runs the same rows with each client of Socket.IO against a gateway, and compares what it sees with
test/clients/results.json. NAME is the beginning of a client's name; without any, all are run.

  --list     lists the clients and ends
  --jobs N   runs so many clients at the same time (default: the number of processor cores)
  --write    writes what it sees to test/clients/results.json; then run \`npm run docs\`
  --help     shows this

A client whose tools are not installed is skipped; with CI=true it fails. One that does not do what
is recorded is run once more, and what was seen is printed: only what is seen twice is a problem.
Exit codes: 0 everything is as recorded, 1 something is not, 64 the command line is wrong.`;

/** One run of the suite: what it has started, and when it began. */
const closers = new Set<() => unknown>();
const begun = performance.now();

function say(text: string): void {
  console.log(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

function fail(text: string): never {
  console.error(`${text}\n\n${USAGE}`);
  process.exit(64);
}

function readCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        jobs: { type: "string", default: String(availableParallelism()) },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function choose(names: readonly string[]): string[] {
  const all = Object.keys(CLIENTS);
  for (const name of names) {
    if (!all.some((one) => one.startsWith(name))) fail(`no client's name begins with ${name}`);
  }
  return all.filter((one) => names.length === 0 || names.some((name) => one.startsWith(name)));
}

/** Runs one client; returns what came of it, or why it was skipped. Throws if it could not be run. */
async function tryClient(name: string, client: Client): Promise<Run | string> {
  const made = await client.make();
  if ("missing" in made) {
    const leftOut = (process.env.TOOLS_LEFT_OUT ?? "").split(",");
    if (process.env.CI === "true" && !leftOut.includes(made.missing)) throw new Error(made.why);
    return made.why;
  }
  const own: (() => unknown)[] = [];
  const scope: Scope = {
    after(close: () => unknown) {
      own.unshift(close);
      closers.add(close);
    },
    diagnostic: (text) => console.error(text),
  };
  try {
    const seen = (row: string, result: string) => {
      if (result !== "works")
        say(`${name}: ${row} ${result === "fails" ? "fails" : "is not offered"}`);
    };
    const { flags = [], closes = {} } = client;
    const options = { command: made.command, flags, closes: Object.keys(closes), seen };
    return await runClient(scope, options);
  } finally {
    for (const close of own) {
      closers.delete(close);
      await close();
    }
  }
}

async function runAll(names: readonly string[], jobs: number) {
  const waiting = [...names];
  const seen: Results = {};
  const problems: string[] = [];
  const skipped: string[] = [];
  const recorded = readResults();
  /** Returns what was not as expected; undefined if the client was skipped. */
  const check = async (name: string, client: Client): Promise<string[] | undefined> => {
    try {
      const run = await tryClient(name, client);
      if (typeof run === "string") {
        say(`${name} is skipped: ${run}`);
        return undefined;
      }
      seen[name] = run.report;
      const wanted = values.write ? "anything" : recorded[name];
      const found = [...run.faults, ...findProblems(client, run.report, wanted)];
      say(`${name} ${found.length === 0 ? "is as expected" : "is NOT as expected"}`);
      return found;
    } catch (error) {
      say(`${name} could not be run`);
      return [error instanceof Error ? error.message : String(error)];
    }
  };
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const client = CLIENTS[name];
      if (!client) continue;
      say(`${name} begins`);
      let found = await check(name, client);
      // Some clients have races of their own, which show on a busy machine.
      if (found?.length) {
        say(`${name} begins again, after: ${found.join("; ")}`);
        found = await check(name, client);
      }
      if (found) problems.push(...found.map((problem) => `${name}: ${problem}`));
      else skipped.push(name);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return { seen, problems, skipped };
}

const { values, positionals } = readCommandLine();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.list) {
  for (const [name, { title }] of Object.entries(CLIENTS)) console.log(`${name}\t${title}`);
  process.exit(0);
}
const jobs = Number(values.jobs);
if (!Number.isInteger(jobs) || jobs < 1) fail("--jobs must be a whole number, 1 or more");
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, async () => {
    for (const close of [...closers].reverse()) await close();
    process.exit(code);
  });
}
const { seen, problems, skipped } = await runAll(choose(positionals), jobs);
if (values.write) writeResults({ ...readResults(), ...seen });
for (const problem of problems) console.error(problem);
const count = Object.keys(seen).length;
say(`${count} clients run, ${skipped.length} skipped, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
