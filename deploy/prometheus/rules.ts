import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const RULE = z.strictObject({
  alert: z.string().optional(),
  record: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }).optional(),
  annotations: z
    .strictObject({ runbook_url: z.string(), summary: z.string(), action: z.string() })
    .optional(),
});
const FILE = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(RULE) })),
});

/** An alert of `rules/`. */
export interface Alert {
  readonly name: string;
  readonly expression: string;
  readonly holdsFor: string;
  readonly severity: "critical" | "warning";
  readonly summary: string;
  readonly action: string;
  /** Where its runbook is. */
  readonly runbookUrl: string;
}

/** A recording rule of `rules/`. */
export interface Recording {
  readonly name: string;
  readonly expression: string;
}

/** Returns the groups of all files in `rules/` as they stand there; throws on a foreign shape. */
export function readGroups(): z.output<typeof FILE>["groups"] {
  const folder = new URL("rules/", import.meta.url);
  return readdirSync(folder)
    .sort()
    .map((file) => parse(readFileSync(new URL(file, folder), "utf8")))
    .flatMap((file) => FILE.parse(file).groups);
}

/** Returns the alerts and recording rules in `rules/`, group by group. */
export function readRules(): { alerts: readonly Alert[]; recordings: readonly Recording[] } {
  const alerts: Alert[] = [];
  const recordings: Recording[] = [];
  for (const rule of readGroups().flatMap((group) => group.rules)) {
    const { alert, record, expr, labels, annotations } = rule;
    if (record !== undefined) recordings.push({ name: record, expression: expr });
    else if (alert !== undefined && labels && annotations) {
      const holdsFor = rule.for ?? "0s";
      const { summary, action, runbook_url: runbookUrl } = annotations;
      const said = { ...labels, summary, action, runbookUrl };
      alerts.push({ name: alert, expression: expr, holdsFor, ...said });
    } else throw new Error(`${alert ?? expr} lacks a severity, a summary or an action`);
  }
  return { alerts, recordings };
}
