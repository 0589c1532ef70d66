import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "./wait.ts";

/** Where the example backend of `examples/functions/` can run. */
export const RUNTIMES = ["workerd", "node", "deno", "bun"] as const;

/** One of them. */
export type Runtime = (typeof RUNTIMES)[number];

/** What a backend is told of its gateway. */
export interface FunctionEnv {
  readonly SLUICE_SECRET: string;
  readonly SLUICE_URL: string;
  readonly SLUICE_KEY: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(import.meta.url);

/** Starts the example backend in a process of its own; resolves with its URL. It ends with the test. */
export async function startFunction(
  t: TestContext,
  runtime: Runtime,
  env: FunctionEnv,
): Promise<string> {
  return (await startBackend(t, commandOf(runtime), env)).url;
}

/** A backend in a process of its own. */
export interface Backend {
  readonly url: string;
  /** Everything it printed so far. */
  output(): string;
}

/** Starts a backend by its command; it listens on a port of its own, and ends with the test. */
export async function startBackend(
  t: TestContext,
  [command, ...args]: readonly [string, ...string[]],
  env: FunctionEnv,
): Promise<Backend> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env, PORT: "0", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => end(child));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (more: string) => {
      text += more;
    });
  }
  const port = () => /listening on port (\d+)/.exec(text)?.[1];
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${text}`);
      return port() !== undefined;
    },
    `${command} listens`,
    30_000,
  );
  return { url: `http://127.0.0.1:${port()}`, output: () => text };
}

function commandOf(runtime: Runtime): [string, ...string[]] {
  if (runtime === "workerd" || runtime === "node") {
    return [process.execPath, "--import", "tsx", `examples/functions/${runtime}.ts`];
  }
  const scripts = (require("../../package.json") as { scripts: Record<string, string> }).scripts;
  const [, args = ""] = (scripts[`function:${runtime}`] ?? "").split(`exec ${runtime} `);
  return [`${ROOT}node_modules/.bin/${runtime}`, ...args.split(" ")];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
