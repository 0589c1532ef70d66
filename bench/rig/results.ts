import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Environment, Git } from "./environment.ts";
import type { Estimate, JudgedRound, Summary } from "./estimate.ts";
import type { Flag } from "./flags.ts";
import type { Noise } from "./noise.ts";
import type { Metric, Witness } from "./scenario.ts";

/** A results file, as `bench/results.schema.json` describes it. */
export interface Result {
  readonly schema_version: 1;
  readonly run_id: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly argv: readonly string[];
  readonly seed: number;
  readonly git: Git;
  readonly env: Environment;
  readonly env_hash: string;
  readonly noise: Noise;
  readonly scenario: {
    readonly name: string;
    readonly question: string;
    readonly mode: string;
    readonly baseline: string;
    readonly metrics: readonly Metric[];
  };
  readonly subjects: readonly { name: string; about: Readonly<Record<string, string>> }[];
  readonly rounds: readonly JudgedRound[];
  /** Results of before they were kept have none. */
  readonly witnesses?: readonly Witness[];
  readonly summaries: readonly Summary[];
  readonly estimates: readonly Estimate[];
  readonly valid: boolean;
  readonly flags: readonly Flag[];
}

/** Where results are kept unless `--results` says otherwise. */
export const RESULTS = fileURLToPath(new URL("../results/", import.meta.url));
/**
 * Where results are kept that are nothing for the report: of other servers, of two commits, of
 * smoke tests. Git does not see it, so that nothing untracked is left in a clone.
 */
export const LOCAL_RESULTS = join(RESULTS, "local");

let validate: ValidateFunction | undefined;

/** Returns what is wrong with a results file's content; nothing when it follows the schema. */
export function findProblems(content: unknown): string[] {
  if (validate === undefined) {
    const path = new URL("../results.schema.json", import.meta.url);
    const schema: unknown = JSON.parse(readFileSync(path, "utf8"));
    const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
    validate = ajv.compile(schema as object); // a schema is an object
  }
  if (validate(content)) return [];
  return (validate.errors ?? []).map((e) => `${e.instancePath || "/"} ${e.message ?? ""}`);
}

/**
 * Writes a result and returns its path. The file appears whole or not at all, and only when it
 * follows the schema.
 */
export function writeResult(folder: string, result: Result): string {
  // What is checked is what a reader will parse, so NaN and undefined are seen as JSON sees them.
  const text = `${JSON.stringify(result, null, 1)}\n`;
  const problems = findProblems(JSON.parse(text));
  if (problems.length > 0)
    throw new Error(`the result breaks its own schema: ${problems.slice(0, 5).join("; ")}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${fileStem(result)}.json`);
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
  return path;
}

/** `<date>-<commit>-<scenario>`: names sort by time, then tell what was measured. */
export function fileStem(result: Pick<Result, "started_at" | "git" | "scenario">): string {
  const date = result.started_at.slice(0, 19).replaceAll(":", "").replaceAll("-", "");
  return `${date}Z-${result.git.commit.slice(0, 7)}-${result.scenario.name}`;
}

/** A results file that was read back. */
export interface StoredResult {
  readonly file: string;
  readonly result: Result;
}

/** Reads all results of a folder, oldest first. Throws on one that breaks the schema. */
export function readResults(folder: string): StoredResult[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => {
    const content: unknown = JSON.parse(readFileSync(join(folder, file), "utf8"));
    const problems = findProblems(content);
    if (problems.length > 0) throw new Error(`${file}: ${problems.slice(0, 5).join("; ")}`);
    return { file, result: content as Result }; // the schema has just proven it
  });
}

/**
 * Returns the newest result of each scenario, in the order given. Comparisons of two commits and
 * interrupted runs are not the state of things; a smoke test is only where there is nothing else.
 */
export function newestOf(
  stored: readonly StoredResult[],
  names: readonly string[],
): StoredResult[] {
  const whole = stored.filter(
    ({ result }) =>
      !result.scenario.baseline.includes("@") &&
      !result.flags.some((flag) => flag.code === "interrupted"),
  );
  return names.flatMap((name) => {
    const own = whole.filter(({ result }) => result.scenario.name === name);
    return own.findLast(({ result }) => result.scenario.mode !== "quick") ?? own.at(-1) ?? [];
  });
}
