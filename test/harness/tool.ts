import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/**
 * Returns whether `command` is installed. Without it the test is skipped by name on a user's
 * machine, and fails where `CI=true` promises everything but what `TOOLS_LEFT_OUT` names.
 */
export function hasTool(t: TestContext, command: string): boolean {
  const found = spawnSync("sh", ["-c", `command -v "$1"`, "sh", command]).status === 0;
  if (!found) skipWithout(t, command, `${command} is not installed`);
  return found;
}

/** Skips a test for what is missing of a tool, or fails it where it must be there. */
export function skipWithout(t: TestContext, tool: string, why: string): undefined {
  const leftOut = (process.env.TOOLS_LEFT_OUT ?? "").split(",");
  if (process.env.CI === "true" && !leftOut.includes(tool)) throw new Error(why);
  t.skip(why);
}

/** Runs a command to its end; returns its exit code and everything it printed. */
export function runTool(command: string, args: readonly string[]): { code: number; text: string } {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const done = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, PATH: path } });
  if (done.error) throw done.error;
  return { code: done.status ?? -1, text: `${done.stdout}${done.stderr}` };
}
