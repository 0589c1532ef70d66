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
}

/** Thrown with all problems of the given settings at once. */
export class SettingsError extends Error {
  readonly problems: readonly SettingProblem[];
  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map((p) => `  ${p.path}${formatValue(p)}: ${p.bound}`);
    super(
      `${problems.length === 1 ? "A setting is" : `${problems.length} settings are`} not usable:\n${lines.join("\n")}`,
    );
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/** Returns nothing where a value would not help: for a name that is no setting, or no value. */
function formatValue({ value }: SettingProblem): string {
  return value === "(given)" || value === "(nothing)" ? "" : ` = ${value}`;
}
