/**
 * Runs the benchmark: `npm run bench -- [scenario…] [options]`. What a command line can say is in
 * `bench/README.md` and in `--help`.
 */
import { readArgs, UsageError } from "./rig/args.ts";
import { runCommand } from "./rig/commands.ts";

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(130); // The second one means now.
    interrupt.abort(new Error("interrupted"));
  });
}

try {
  process.exitCode = await runCommand(readArgs(process.argv.slice(2)), {
    argv: process.argv.slice(2),
    signal: interrupt.signal,
  });
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}; \`npm run bench -- --help\` lists what there is`);
  process.exitCode = 64;
}
