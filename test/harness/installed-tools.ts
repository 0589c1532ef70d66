import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { hasTool, runTool, skipWithout } from "./tool.ts";

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/tools/", import.meta.url));

/** Returns a folder that stays between runs, for a tool that a test installs; it exists. */
export function toolCache(name: string): string {
  const folder = join(CACHE, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Installs Python packages (`name==version`) in an environment of their own, once; returns the folder
 * of their commands, or skips the test.
 */
export function installPythonTools(
  t: TestContext,
  packages: readonly string[],
): string | undefined {
  if (!hasTool(t, "python3")) return undefined;
  const version = runTool("python3", ["--version"]).text;
  const hash = createHash("sha256")
    .update([version, ...packages].join("\n"))
    .digest("hex");
  const folder = toolCache(`python-${hash.slice(0, 16)}`);
  const bin = join(folder, "bin");
  if (existsSync(join(folder, "finished"))) return bin;
  const install = ["-m", "pip", "install", "--quiet", "--no-input", ...packages];
  for (const [command, args] of [
    ["python3", ["-m", "venv", "--clear", folder]],
    [join(bin, "python"), install],
  ] as const) {
    const { code, text } = runTool(command, args);
    if (code !== 0) return skipWithout(t, "python3", `not installed: ${text}`);
  }
  writeFileSync(join(folder, "finished"), "");
  return bin;
}
