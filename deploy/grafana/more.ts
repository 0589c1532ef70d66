import { METRICS, type MetricRow } from "../../src/metrics/table.ts";
import { readPromql } from "../prometheus/promql.ts";
import type { Panel, Row } from "./panels.ts";
import { of, quantile, sumRate } from "./queries.ts";

/** Returns a folded row with a plain panel for each metric that `rows` do not show, if there are any. */
export function collectRest(rows: readonly Row[]): Row[] {
  const shown = new Set(
    rows
      .flatMap((row) => row.panels.flatMap((panel) => Object.keys(panel.lines)))
      .flatMap((expression) => readPromql(expression).selectors)
      .map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, "")),
  );
  const table: [string, MetricRow][] = Object.entries(METRICS);
  const rest = table.filter(([name]) => !shown.has(name));
  if (rest.length === 0) return [];
  return [{ title: "More", collapsed: true, panels: rest.map(([name, row]) => draw(name, row)) }];
}

function draw(name: string, row: MetricRow): Panel {
  const legend = ["instance", ...row.labels].map((label) => `{{${label}}}`).join(" ");
  const rateUnit = name.endsWith("_bytes_total") ? "Bps" : "ops";
  const valueUnit = /_seconds$/.test(name) ? "s" : /_bytes$/.test(name) ? "bytes" : "short";
  const title = row.help.split(/[.;:]/, 1)[0] ?? name;
  const about = { title, note: `${name}: ${row.help}`, none: "There is none." };
  if (row.kind === "histogram")
    return { ...about, unit: valueUnit, lines: { [quantile(name)]: "$quantile" } };
  if (row.kind === "gauge") return { ...about, unit: valueUnit, lines: { [of(name)]: legend } };
  const by = ["instance", ...row.labels].join(", ");
  return { ...about, unit: rateUnit, lines: { [sumRate(name, by)]: legend } };
}
