import type { Estimate, Summary } from "./estimate.ts";
import type { Result } from "./results.ts";
import type { Metric } from "./scenario.ts";

/** Returns rows as text with aligned columns: the first left, the others right. */
export function alignRows(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Returns rows, the first of them the head, as a table of Markdown. */
export function markdown([head = [], ...rows]: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)];
}

/** A number for people: three significant digits, thousands apart. */
export function formatNumber(n: number): string {
  if (!Number.isFinite(n)) return "–";
  if (n !== 0 && Math.abs(n) < 100) return String(Number(n.toPrecision(3)));
  return Math.round(n).toLocaleString("en-US");
}

/** `CPU per delivery, µs` for `cpu_us_per_delivery`: the unit stands once, at the end. */
export function labelOf({ name, unit }: Pick<Metric, "name" | "unit">): string {
  const words = name
    .replace(/_per_s$/, "")
    .replace(/(p\d+)_(\d)/, "$1.$2")
    .split("_")
    .filter((word) => !UNIT_WORDS.has(word))
    .map((word) => ABBREVIATIONS[word] ?? word);
  return `${words.join(" ")}${unit ? `, ${unit}` : ""}`;
}

const UNIT_WORDS = new Set(["us", "ms", "ns", "bytes"]);
const ABBREVIATIONS: Readonly<Record<string, string>> = { cpu: "CPU", rss: "RSS", r2: "R²" };

const ORDER = ["ours", "stock-uws", "stock-ws", "socketioxide", "centrifugo", "bare"];

/** Returns subjects in the same order everywhere: the baseline, ours, stock, bare, others by name. */
export function orderSubjects(names: Iterable<string>, baseline: string): string[] {
  const rank = (name: string) => (name === baseline ? -1 : (ORDER.indexOf(name) + 9) % 9);
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

/** `shape room, members 1000`: a case in words. */
export function formatParams(params: Summary["params"]): string {
  return Object.entries(params)
    .map(([key, value]) => `${key} ${typeof value === "number" ? formatNumber(value) : value}`)
    .join(", ");
}

/** `0.31 (0.29–0.33)`, with a mark when no claim can rest on it. */
export function formatRatio(estimate: Estimate): string {
  const { ratio_median: ratio, ci95_low: low, ci95_high: high } = estimate;
  const range =
    Number.isFinite(low) && low !== null ? ` (${low.toFixed(2)}–${high.toFixed(2)})` : "";
  return `${ratio.toFixed(2)}${range}${estimate.verdict === "unclear" ? " ?" : ""}`;
}

/** One case of a result as a table. */
export interface CaseTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Returns a table per case: per subject the metrics' medians, and the ratio of the primary one. */
export function makeTables(result: Result): CaseTable[] {
  const keys = new Set(result.rounds.map((round) => JSON.stringify(round.params)));
  return [...keys].flatMap((key) => makeTable(result, key) ?? []);
}

function makeTable(result: Result, key: string): CaseTable | undefined {
  const rounds = result.rounds.filter((round) => JSON.stringify(round.params) === key);
  const { metrics } = result.scenario;
  const first = result.estimates.find((one) => JSON.stringify(one.params) === key);
  const baseline = first?.subject ?? result.scenario.baseline;
  const shown = metrics.filter((m) => rounds.some((round) => round.values[m.name] !== undefined));
  const [primary] = shown;
  if (primary === undefined) return undefined;
  const hasRatios = result.estimates.length > 0;
  const ratioed = primary.ratio ? primary : metrics.find((metric) => metric.ratio);
  const subjects = orderSubjects(
    rounds.map((round) => round.subject),
    baseline,
  );
  const rows = subjects.map((subject) => {
    const cells = shown.map((metric) => {
      const one = result.summaries.find(
        (s) =>
          s.subject === subject && s.metric === metric.name && JSON.stringify(s.params) === key,
      );
      if (one) return `${formatMetric(metric, one.median)}${one.valid === false ? " void" : ""}`;
      const own = rounds.filter((round) => round.subject === subject);
      return own.some((round) => round.values[metric.name] !== undefined) ? "void" : "–";
    });
    const estimate = result.estimates.find(
      (e) =>
        e.against === subject && e.metric === ratioed?.name && JSON.stringify(e.params) === key,
    );
    return [subject, ...cells, ...(hasRatios ? [estimate ? formatRatio(estimate) : ""] : [])];
  });
  return {
    title: formatParams(JSON.parse(key)),
    head: ["subject", ...shown.map(labelOf), ...(hasRatios ? [`${baseline} ÷ it`] : [])],
    rows,
  };
}

/** Shares of a core or of time are told in percent. */
function formatMetric({ name }: Metric, value: number): string {
  return name.endsWith("_share") ? `${(value * 100).toFixed(0)} %` : formatNumber(value);
}

/** Returns what real Socket.IO clients saw beside the raw ones, as a table per case. */
export function makeWitnessTables({ witnesses = [], scenario }: Result): CaseTable[] {
  const keys = new Set(witnesses.map((seen) => JSON.stringify(seen.params)));
  return [...keys].map((key) => {
    const own = witnesses.filter((seen) => JSON.stringify(seen.params) === key);
    const subjects = orderSubjects(
      own.map((seen) => seen.subject),
      scenario.baseline,
    );
    const rows = subjects.flatMap((name) => own.filter((seen) => seen.subject === name));
    return {
      title: `real socket.io-clients beside the raw ones: ${formatParams(JSON.parse(key))}`,
      head: ["subject", "right", "raw arrival p50, µs", "decoded p50, µs", "decoded p99, µs"],
      rows: rows.map(({ subject, clients, received, wrong, expected, arrived, decoded }) => [
        subject,
        `${received - wrong} of ${expected} at ${clients}`,
        ...[arrived.p50, decoded.p50, decoded.p99].map((us) => formatNumber(us)),
      ]),
    };
  });
}

/** Returns a result as the terminal shows it: tables, then every flag with its figures. */
export function formatResult(result: Result): string {
  const tables = [...makeTables(result), ...makeWitnessTables(result)].map(
    ({ title, head, rows }) => `\n  ${title}\n${alignRows([head, ...rows])}`,
  );
  const head = `\n${result.scenario.name}: ${result.scenario.question}`;
  return [head, ...tables, "", formatFlags(result)].join("\n");
}

/** Every flag once, with how often it was raised. */
export function formatFlags(result: Result): string {
  const counts = new Map<string, { text: string; count: number }>();
  const note = (key: string, text: string) => {
    const count = (counts.get(key)?.count ?? 0) + 1;
    counts.set(key, { text: counts.get(key)?.text ?? text, count });
  };
  for (const f of result.flags) note(f.code, `${f.severity} ${f.code}: ${f.message}`);
  for (const round of result.rounds)
    for (const f of round.flags ?? []) {
      const what = f.severity === "error" ? "void round" : f.severity;
      note(`${round.subject} ${f.code}`, `${what}, ${round.subject}: ${f.code}: ${f.message}`);
    }
  const lines = [...counts.values()].map(
    ({ text, count }) => `  ${text}${count > 1 ? ` ×${count}` : ""}`,
  );
  const head = result.valid ? "valid" : "NOT VALID: these figures must not be quoted";
  return [head, ...lines].join("\n");
}
