import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NODE, ROOT } from "../harness/process.ts";
import { runTool } from "../harness/tool.ts";

/** How a client's program is started, or the tool that is missing for it. */
export type Made = { readonly command: readonly string[] } | Missing;

/** A tool that is not here, and why the client cannot be run. */
export interface Missing {
  readonly missing: string;
  readonly why: string;
}

/** Packages and programs that were made before. */
export const CACHE = join(ROOT, "node_modules/.cache/clients");

/** Returns why a client cannot run, if one of these commands is not installed. */
export function missingOf(...commands: readonly string[]): Missing | undefined {
  for (const missing of commands) {
    const { code } = runTool("sh", ["-c", `command -v "$1"`, "sh", missing]);
    if (code !== 0) return { missing, why: `${missing} is not installed` };
  }
  return undefined;
}

/** Runs a command that installs or builds; resolves with its output, rejects with it if it fails. */
export function build(
  [file = "", ...args]: readonly string[],
  { cwd = ROOT, env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (data) => (text += data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${[file, ...args].join(" ")} ended with ${code}:\n${text}`));
    });
  });
}

/** Makes the program of a version of socket.io-client in Node.js. */
export function inNode(name: string, ...flags: readonly string[]): () => Promise<Made> {
  const command = [...NODE, "test/clients/javascript/program.ts", name, ...flags];
  return async () => ({ command });
}

/** Makes the program of a bundle in Chromium. */
export function inChromium(bundle: string): () => Promise<Made> {
  const command = [...NODE, "test/clients/javascript/chromium.ts", bundle];
  return async () => missingOf("chromium") ?? { command };
}

/** Makes the program of python-socketio, in an environment with its packages. */
export function inPython(...args: readonly string[]): () => Promise<Made> {
  return async () => {
    const missing = missingOf("python3");
    if (missing) return missing;
    environment ??= makeEnvironment();
    return { command: [await environment, "test/clients/python/program.py", ...args] };
  };
}

/** One for all Python clients. */
let environment: Promise<string> | undefined;

async function makeEnvironment(): Promise<string> {
  const requirements = join(ROOT, "test/clients/python/requirements.txt");
  const version = runTool("python3", ["--version"]).text;
  const hash = createHash("sha256").update(version).update(readFileSync(requirements));
  const folder = join(CACHE, `python-${hash.digest("hex").slice(0, 16)}`);
  const python = join(folder, "bin/python");
  if (existsSync(join(folder, "finished"))) return python;
  mkdirSync(CACHE, { recursive: true });
  await build(["python3", "-m", "venv", "--clear", folder]);
  const install = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"];
  await build([python, ...install, "-r", requirements]);
  writeFileSync(join(folder, "finished"), "");
  return python;
}
