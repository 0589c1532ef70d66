import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/**
 * Returns whether `command` is installed. Without it the test is skipped by name on a user's
 * machine, and fails where `CI=true` promises everything.
 */
export function hasTool(t: TestContext, command: string): boolean {
  const found = spawnSync("sh", ["-c", `command -v "$1"`, "sh", command]).status === 0;
  if (found) return true;
  if (process.env.CI === "true") throw new Error(`${command} is not installed`);
  t.skip(`${command} is not installed`);
  return false;
}

/** Runs a command to its end; returns its exit code and everything it printed. */
export function runTool(command: string, args: readonly string[]): { code: number; text: string } {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const done = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, PATH: path } });
  if (done.error) throw done.error;
  return { code: done.status ?? -1, text: `${done.stdout}${done.stderr}` };
}
