import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const RULE = z.strictObject({
  alert: z.string().optional(),
  record: z.string().optional(),
  expr: z.string(),
  for: z.string().default("0s"),
  labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }).optional(),
  annotations: z.strictObject({ summary: z.string(), action: z.string() }).optional(),
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
}

/** A recording rule of `rules/`. */
export interface Recording {
  readonly name: string;
  readonly expression: string;
}

/** Returns the alerts and recording rules in `rules/`, file by file; throws on a foreign shape. */
export function readRules(): { alerts: readonly Alert[]; recordings: readonly Recording[] } {
  const folder = new URL("rules/", import.meta.url);
  const alerts: Alert[] = [];
  const recordings: Recording[] = [];
  for (const file of readdirSync(folder).sort()) {
    const { groups } = FILE.parse(parse(readFileSync(new URL(file, folder), "utf8")));
    for (const rule of groups.flatMap((group) => group.rules)) {
      const { alert, record, expr, labels, annotations } = rule;
      if (record !== undefined) recordings.push({ name: record, expression: expr });
      else if (alert !== undefined && labels && annotations)
        alerts.push({
          name: alert,
          expression: expr,
          holdsFor: rule.for,
          ...labels,
          ...annotations,
        });
      else throw new Error(`${file}: ${alert ?? expr} lacks a severity, a summary or an action`);
    }
  }
  return { alerts, recordings };
}
