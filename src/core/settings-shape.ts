/**
 * Settings as callers see them, without the schemas: the declarations of the public functions are
 * read where zod is not installed.
 */

export type { PartialSettings, Settings } from "./settings-types.ts";

/** What is wrong with one given value. */
export interface SettingProblem {
  readonly path: string;
  /**
   * The value as given, JSON-quoted; `(secret)` when it must not be shown, `(given)` for a name
   * that is no setting.
   */
  readonly value: string;
  readonly bound: string;
  /** Where the value came from, such as a flag or a file; undefined if the caller gave it. */
  readonly source?: string;
}

/** Thrown with all problems of the given settings at once. */
export class SettingsError extends Error {
  readonly problems: readonly SettingProblem[];
  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map(describeProblem);
    super(
      lines.length === 1
        ? `A setting is not usable: ${lines[0]}`
        : `${lines.length} settings are not usable:\n  ${lines.join("\n  ")}`,
    );
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/** Returns a problem in words, in one line. */
export function describeProblem(problem: SettingProblem): string {
  const text = `${problem.path}${formatValue(problem)}${formatSource(problem)}: ${problem.bound}`;
  return text.replace(/\p{Cc}+/gu, " "); // names of files may have any characters
}

/** Returns nothing where a value would not help: for a name that is no setting, or no value. */
function formatValue({ value }: SettingProblem): string {
  return value === "(given)" || value === "(nothing)" ? "" : ` = ${value}`;
}

const formatSource = ({ source }: SettingProblem) => (source === undefined ? "" : ` (${source})`);

/**
 * Returns a value as the value of a problem. Whatever texts in it may be URLs, what stands before
 * their last @ and their queries are left out, because the text of a password may end where a URL
 * has its host.
 */
export function showValue(value: unknown): string {
  const json = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "string" ? hideSecrets(part) : part,
  );
  return (json ?? "undefined").slice(0, 200);
}

function hideSecrets(text: string): string {
  if (text.includes("-----BEGIN")) return "(PEM)";
  const open = text.replace(/^([a-z][a-z\d+.-]*:\/\/|\/\/)?.*@/is, "$1***@");
  return open.replace(/(:\/\/[^?]*\?).*$/s, "$1…");
}
