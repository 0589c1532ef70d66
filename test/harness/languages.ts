import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { hasTool, runTool, skipWithout } from "./tool.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache/functions");
const EXAMPLES = join(ROOT, "examples/functions");

/** Makes what a function in another language needs; returns its command, or skips the test. */
export type Prepare = (t: TestContext) => readonly [string, ...string[]] | undefined;

/** Installs the packages of the Python function in an environment of their own, once. */
export const preparePython: Prepare = (t) => {
  if (!hasTool(t, "python3")) return undefined;
  const requirements = join(EXAMPLES, "python/requirements.txt");
  const version = runTool("python3", ["--version"]).text;
  const hash = createHash("sha256").update(version).update(readFileSync(requirements));
  const folder = join(CACHE, `python-${hash.digest("hex").slice(0, 16)}`);
  const python = join(folder, "bin/python");
  if (!existsSync(join(folder, "finished"))) {
    const install = ["-m", "pip", "install", "--quiet", "--no-input", "--require-hashes"];
    for (const [command, args] of [
      ["python3", ["-m", "venv", "--clear", folder]],
      [python, [...install, "-r", requirements]],
    ] as const) {
      const { code, text } = runTool(command, args);
      if (code !== 0) return skipWithout(t, "python3", `no packages for the function: ${text}`);
    }
    writeFileSync(join(folder, "finished"), "");
  }
  return [python, join(EXAMPLES, "python/function.py")];
};

/** Builds the Go function. */
export const prepareGo: Prepare = (t) => {
  if (!hasTool(t, "go")) return undefined;
  mkdirSync(CACHE, { recursive: true });
  const program = join(CACHE, "go-chat");
  // Without C nothing of the operating system's is needed.
  const env = { ...process.env, CGO_ENABLED: "0" };
  const done = spawnSync("go", ["build", "-o", program, "."], {
    cwd: join(EXAMPLES, "go"),
    encoding: "utf8",
    env,
  });
  if (done.status !== 0) return skipWithout(t, "go", `the function is not built: ${done.stderr}`);
  return [program];
};
