import { readPromql } from "../deploy/prometheus/promql.ts";
import { readRules } from "../deploy/prometheus/rules.ts";
import { CLOSES } from "../src/core/closes.ts";
import { FAILURES } from "../src/core/failures.ts";
import { listSettings, type SettingRow } from "../src/core/settings.ts";
import { METRICS, type MetricRow } from "../src/metrics/table.ts";
import { SERVER_OPTIONS } from "../src/socket/options.ts";
import { code, page, sentence, table } from "./markdown.ts";

/** Returns the settings page: one table per section. */
export function settingsPage(): string {
  const sections = new Map<string, SettingRow[]>();
  for (const row of listSettings()) {
    const section = row.path.split(".")[0] ?? "";
    sections.set(section, [...(sections.get(section) ?? []), row]);
  }
  const parts = [...sections].map(([section, rows]) =>
    [
      `## ${section}`,
      table(
        ["Setting", "Variable", "Default", "Bound", "What it is"],
        rows.map((row) => [
          code(row.path),
          code(row.env),
          row.secret ? "not set, never printed" : code(JSON.stringify(row.byDefault)),
          row.bound,
          row.text,
        ]),
      ),
    ].join("\n\n"),
  );
  return page(
    "Settings",
    "Give settings as flags (`--socket.port 3000`), as environment variables (`SLUICE_SOCKET_PORT`, " +
      "and `PORT`) or in a file (`--config sluice.json`). The first of these that has a setting wins; " +
      "without any, the default holds. Every value is checked at the start. All problems are reported " +
      "at once, and the process exits with 78. A name with `Ms` is in milliseconds, one with `Bytes` " +
      "in bytes.",
    ...parts,
  );
}

/** Returns the metrics page: the table, and which alerts read each metric. */
export function metricsPage(): string {
  const { alerts, recordings } = readRules();
  const rows: [string, MetricRow][] = Object.entries(METRICS);
  const names = (expression: string) =>
    readPromql(expression).selectors.map((one) => one.metric.replace(/_(bucket|sum|count)$/, ""));
  const alertsOf = (metric: string) => {
    const through = recordings.filter((rule) => names(rule.expression).includes(metric));
    const wanted = new Set([metric, ...through.map((rule) => rule.name)]);
    return alerts.filter((alert) => names(alert.expression).some((name) => wanted.has(name)));
  };
  return page(
    "Metrics",
    "`GET /metrics` answers in Prometheus' text format, or in OpenMetrics if the request asks for " +
      "it. No series is labelled by connection, room, event or anything else a client chooses. " +
      "Node.js' own metrics (`process_*`, `nodejs_*`) are there too unless `metrics.defaults` is off; `nodejs_eventloop_lag_*` are delays of the same samples as `sluice_event_loop_lag_seconds`.",
    table(
      ["Metric", "Kind", "Labels", "What it is", "Alerts"],
      rows.map(([name, row]) => [
        code(name),
        row.kind,
        row.labels.map(code).join(", "),
        row.help,
        alertsOf(name)
          .map((alert) => `[${alert.name}](alerts.md#${alert.name.toLowerCase()})`)
          .join(", "),
      ]),
    ),
    "## Recorded sums",
    "The rules in `deploy/prometheus/rules/recording.yml` record these for alerts and dashboards.",
    table(
      ["Series", "Expression"],
      recordings.map((rule) => [code(rule.name), code(rule.expression)]),
    ),
  );
}

/** Returns the page of close reasons. */
export function closesPage(): string {
  const ways = { flush: "after what is unsent", end: "at once", cut: "TCP cut" };
  return page(
    "Close reasons",
    "Every connection that ends is counted once in `sluice_connections_closed_total{reason}`. " +
      "Socket.IO clients reconnect by themselves after every close except their own.\n\n" +
      "*How* is what a WebSocket client sees. A long-polling client that the server closes gets what " +
      "is unsent with its next poll, and then the close packet. The poll must come within " +
      "`socket.pingTimeoutMs`, or within a second if the client is in no namespace. After `overload` " +
      "and `ping_timeout` it gets neither.",
    table(
      ["Reason", "What happened", "Ended by", "How", "WebSocket code", "`disconnect` reason"],
      Object.entries(CLOSES).map(([name, row]) => [
        code(name),
        sentence(row.text),
        `the ${row.by}`,
        ways[row.how],
        String(row.code),
        code(row.disconnect),
      ]),
    ),
  );
}

/** Returns the page of the options of a Socket.IO server. */
export function optionsPage(): string {
  return page(
    "Options of `new Server()`",
    "What `attach` does with each option of a Socket.IO server. A refused option ends the start with " +
      "the sentence of its row.",
    table(
      ["Option", "", "What it does here"],
      Object.entries(SERVER_OPTIONS).map(([name, row]) => [
        code(name),
        "refuses" in row ? (REFUSED_IN_PART[name] ?? "refused") : "honoured",
        sentence(row.text),
      ]),
    ),
  );
}

/** Options of which only some values are refused. */
const REFUSED_IN_PART: Readonly<Record<string, string>> = {
  parser: "honoured for msgpack and JSON",
  transports: "honoured but for webtransport",
  perMessageDeflate: "refused unless off",
};

/** Returns the page of failures. */
export function failuresPage(): string {
  return page(
    "Failures",
    "The failures that clients, functions and operators can get. HTTP callers get a problem document " +
      "(RFC 9457) with the code and this status. *Retry* says whether the same request may succeed " +
      "later unchanged.",
    table(
      ["Code", "What it says", "HTTP status", "Retry"],
      Object.entries(FAILURES).map(([name, row]) => [
        code(name),
        sentence(row.text),
        String(row.status),
        row.retry ? "yes" : "no",
      ]),
    ),
  );
}
