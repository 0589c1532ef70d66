import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "./args.ts";
import { buildGateway, ROOT } from "./build.ts";
import { git } from "./environment.ts";
import { runTool } from "./tool.ts";

/** Two commits, compiled and ready to be measured against each other. */
export interface Comparison {
  /** Compiled gateways by subject, such as `ours@1a2b3c4`. */
  readonly gateways: ReadonlyMap<string, string>;
  /** The subject whose ratios to the other are estimated: the later one. */
  readonly baseline: string;
  remove(): void;
}

/** What preparing a comparison stands on. */
export interface CompareNeeds {
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Prints a line that stays. */
  readonly warn: (text: string) => void;
}

/**
 * Checks both commits out into worktrees and compiles their `src/`. The rig that measures them is
 * this tree's, so that a change of the benchmark is never taken for one of the gateway. Throws
 * {@link UsageError} when a ref is unknown or both are the same commit.
 */
export async function prepareComparison(
  ref: string,
  other: string,
  needs: CompareNeeds,
): Promise<Comparison> {
  const before = findCommit(ref);
  const after = findCommit(other);
  if (before === after) throw new UsageError(`${ref} and ${other} are the same commit`);
  if (other === "HEAD" && git("status", "--porcelain", "--", "src") !== "")
    needs.warn("src/ has uncommitted changes; they are not part of HEAD and are not measured");
  const parent = join(ROOT, "bench", "results", "tmp");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "compare-"));
  const remove = () => {
    for (const commit of [before, after]) {
      const tree = join(folder, commit);
      if (existsSync(tree)) git("worktree", "remove", "--force", tree);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const build = async (commit: string) => {
      const tree = join(folder, commit);
      needs.say(`compiling ${commit.slice(0, 7)}`);
      git("worktree", "add", "--detach", tree, commit);
      await installPackages(tree, needs.signal);
      return buildGateway(tree, join(tree, "bench-build"), needs);
    };
    const names = [before, after].map((commit) => `ours@${commit.slice(0, 7)}`) as [string, string];
    const gateways = new Map([
      [names[0], await build(before)],
      [names[1], await build(after)],
    ]);
    return { gateways, baseline: names[1], remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function findCommit(ref: string): string {
  try {
    return git("rev-parse", "--verify", "--quiet", `${ref}^{commit}`);
  } catch (error) {
    throw new UsageError(`git knows no commit "${ref}"`, { cause: error });
  }
}

/** Shares this tree's packages when both lock files agree, and installs its own otherwise. */
async function installPackages(tree: string, signal: AbortSignal): Promise<void> {
  const lock = "package-lock.json";
  const read = (folder: string) => readFileSync(join(folder, lock), "utf8");
  if (read(tree) === read(ROOT)) {
    symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"), "dir");
    return;
  }
  const words = ["npm", "ci", "--no-audit", "--no-fund"];
  const { code, output } = await runTool(words, { cwd: tree, signal });
  if (code !== 0) throw new Error(`npm ci failed in ${tree}: ${output}`);
}
