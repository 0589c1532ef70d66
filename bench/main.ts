/**
 * Runs the benchmark: `npm run bench -- [scenario…] [options]`. What a command line can say is in
 * `bench/README.md` and in `--help`.
 */
import { readArgs, UsageError } from "./rig/args.ts";
import { announce } from "./rig/progress.ts";

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(130); // The second one means now.
    interrupt.abort(new Error("interrupted"));
  });
}

/** Commands that answer at once. */
const PROMPT = new Set(["help", "report", "scale"]);

try {
  const argv = process.argv.slice(2);
  const line = readArgs(argv);
  if (!line.has("help") && !PROMPT.has(line.rest[0] ?? ""))
    announce(process.stderr, "loading the scenarios");
  // Loading takes a second or more, and whoever waits should know it.
  const { runCommand } = await import("./rig/commands.ts");
  process.exitCode = await runCommand(line, { argv, signal: interrupt.signal });
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}; \`npm run bench -- --help\` lists what there is`);
  process.exitCode = 64;
}
