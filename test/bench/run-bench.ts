import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ROOT } from "../../bench/rig/build.ts";

/** What a run of the benchmark printed, and how it ended. */
export interface Run {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs the benchmark's own process, as `npm run bench -- …` does, with another environment if one
 * comes first.
 */
export async function runBench(...words: ({ env: NodeJS.ProcessEnv } | string)[]): Promise<Run> {
  const args = words.filter((word) => typeof word === "string");
  const env = words.find((word) => typeof word === "object")?.env ?? process.env;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "bench", "main.ts"), ...args],
    { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

/** A folder for the results of one test, which goes with it. */
export function resultsFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
