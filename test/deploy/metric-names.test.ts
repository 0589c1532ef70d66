import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { collectDefaultMetrics, Registry } from "prom-client";
import { type Matcher, readPromql } from "../../deploy/prometheus/promql.ts";
import { readRules } from "../../deploy/prometheus/rules.ts";
import { RUNBOOKS } from "../../deploy/prometheus/runbooks/all.ts";
import { CLOSES } from "../../src/core/closes.ts";
import { FAILURES } from "../../src/core/failures.ts";
import { METRICS, type MetricRow } from "../../src/metrics/table.ts";

/** Labels that Prometheus itself puts on every series it scrapes. */
const TARGET_LABELS = ["job", "instance"];

interface Known {
  readonly labels: ReadonlySet<string>;
}

/** Every series that may be named: the table's, Node.js' own, the recorded sums and `up`. */
function knownSeries(): Map<string, Known> {
  const known = new Map<string, Known>();
  const add = (name: string, labels: readonly string[]) =>
    known.set(name, { labels: new Set([...labels, ...TARGET_LABELS]) });
  const rows: [string, MetricRow][] = Object.entries(METRICS);
  for (const [name, row] of rows) {
    if (row.kind !== "histogram") add(name, row.labels);
    else {
      add(`${name}_bucket`, [...row.labels, "le"]);
      add(`${name}_sum`, row.labels);
      add(`${name}_count`, row.labels);
    }
  }
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, type } of registry.getMetricsAsArray()) {
    // prom-client keeps the kind as a word or as a number, depending on its build.
    add(name, ["kind", "space", "type", "version"]);
    if (String(type) === "histogram")
      for (const end of ["sum", "count"]) add(`${name}_${end}`, ["kind"]);
  }
  registry.clear();
  for (const rule of readRules().recordings) add(rule.name, readPromql(rule.expression).grouping);
  add("up", []);
  return known;
}

/** What is wrong with the names in an expression; empty when all of them exist. */
function findUnknown(expression: string, known: ReadonlyMap<string, Known>): string[] {
  const { selectors, grouping } = readPromql(expression);
  const wrong: string[] = [];
  const usable = new Set(TARGET_LABELS);
  for (const { metric, matchers } of selectors) {
    const series = known.get(metric);
    if (!series) {
      wrong.push(metric);
      continue;
    }
    for (const label of series.labels) usable.add(label);
    for (const matcher of matchers) wrong.push(...findUnknownMatch(metric, matcher, series));
  }
  return [...wrong, ...grouping.filter((label) => !usable.has(label))];
}

function findUnknownMatch(metric: string, matcher: Matcher, series: Known): string[] {
  const { label, operator, value } = matcher;
  if (!series.labels.has(label)) return [`${metric}{${label}}`];
  const values = operator.includes("~") ? value.split("|") : [value];
  // Codes of failures stand in capitals wherever they are label values.
  const codes = values.filter((one) => /^[A-Z]+_[A-Z_]+$/.test(one));
  const wrong = codes.filter((code) => !Object.hasOwn(FAILURES, code));
  if (label !== "reason" || !metric.includes("connections_closed")) return wrong;
  return values.filter((reason) => !Object.hasOwn(CLOSES, reason));
}

interface DrawnPanel {
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly panels?: readonly DrawnPanel[];
}

/** Every expression of the dashboard file, with its legend; folded rows hold their panels. */
function readDashboard(): { expr: string; legendFormat: string }[] {
  const file = new URL("../../deploy/grafana/dashboard.json", import.meta.url);
  // Written by dashboard.ts, whose panels have this shape.
  const { panels } = JSON.parse(readFileSync(file, "utf8")) as { panels: DrawnPanel[] };
  return panels
    .flatMap((panel) => [panel, ...(panel.panels ?? [])])
    .flatMap((panel) => panel.targets ?? []);
}

test("every series and label that the rules name exists", () => {
  const known = knownSeries();
  const { alerts, recordings } = readRules();
  for (const { name, expression } of [...alerts, ...recordings])
    assert.deepEqual(findUnknown(expression, known), [], name);
});

test("every series and label that the runbooks ask for exists", () => {
  const known = knownSeries();
  for (const [name, { queries }] of Object.entries(RUNBOOKS))
    for (const { promql } of queries) assert.deepEqual(findUnknown(promql, known), [], name);
});

test("every series and label that the dashboard names exists, legends included", () => {
  const known = knownSeries();
  for (const { expr, legendFormat } of readDashboard()) {
    assert.deepEqual(findUnknown(expr, known), [], expr);
    const { selectors } = readPromql(expr);
    const labels = selectors.flatMap(({ metric }) => [...(known.get(metric)?.labels ?? [])]);
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
      assert.ok(labels.includes(label), `${legendFormat} of ${expr}`);
  }
});

test("every metric of the table is on the dashboard", () => {
  const selectors = readDashboard().flatMap(({ expr }) => readPromql(expr).selectors);
  const shown = new Set(selectors.map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, "")));
  assert.deepEqual(
    Object.keys(METRICS).filter((name) => !shown.has(name)),
    [],
    "run npm run docs",
  );
});

test("every metric that a page of the docs names exists", () => {
  const known = knownSeries();
  const root = new URL("../../", import.meta.url);
  const pages = [
    ...readdirSync(new URL("docs/", root))
      .filter((file) => file.endsWith(".md"))
      .map((file) => `docs/${file}`),
    ...readdirSync(new URL("deploy/", root), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .map((file) => `deploy/${file}`),
    "README.md",
    "ARCHITECTURE.md",
  ];
  const wrong: string[] = [];
  for (const page of pages) {
    for (const [name] of readIfThere(new URL(page, root)).matchAll(
      /(?<![\w:])sluice_[a-z_]+[a-z]\b(?!:)/g,
    )) {
      const real = known.has(name) || Object.hasOwn(METRICS, name);
      if (!real) wrong.push(`${page}: ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("a planted metric, label or close reason is found", () => {
  const known = knownSeries();
  assert.deepEqual(findUnknown("rate(sluice_conections[5m])", known), ["sluice_conections"]);
  assert.deepEqual(findUnknown('sluice_connections{room="x"}', known), [
    "sluice_connections{room}",
  ]);
  assert.deepEqual(findUnknown("sum by (user) (sluice_connections)", known), ["user"]);
  assert.deepEqual(findUnknown(`sluice_connections_closed_total{reason=~"shutdown|gone"}`, known), [
    "gone",
  ]);
  const outcome = 'sluice_upstream_calls_total{outcome!~"answered|UPSTREAM_LATE"}';
  assert.deepEqual(findUnknown(outcome, known), ["UPSTREAM_LATE"]);
  assert.throws(() => readPromql("sum(by"), /not PromQL/);
});

function readIfThere(file: URL): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
