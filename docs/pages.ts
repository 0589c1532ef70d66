import { readPromql } from "../deploy/prometheus/promql.ts";
import { readRules } from "../deploy/prometheus/rules.ts";
import { CLOSES } from "../src/core/closes.ts";
import { FAILURES } from "../src/core/failures.ts";
import { listSettings, type SettingRow } from "../src/core/settings.ts";
import { METRICS, type MetricRow } from "../src/metrics/table.ts";
import { SERVER_OPTIONS } from "../src/socket/options.ts";
import { code, page, sentence, table } from "./markdown.ts";
import { prose } from "./prose.ts";

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
          prose(row.text),
        ]),
      ),
    ].join("\n\n"),
  );
  return page(
    "Settings",
    "Sluice reads settings from these places. The first that has a setting wins:\n\n" +
      "1. flags: `--socket.port 3000`\n" +
      "2. environment variables: `SLUICE_SOCKET_PORT=3000`, or `PORT=3000`\n" +
      '3. the file of `--config sluice.json`: `{ "socket": { "port": 3000 } }`\n' +
      "4. the default\n\n" +
      "All values are checked at start. If some are wrong, Sluice prints every problem and exits " +
      "with 78. A name with `Ms` is in milliseconds, a name with `Bytes` in bytes. Lists are " +
      "separated by commas in flags and variables.",
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
    "```sh\ncurl http://localhost:3000/metrics\n```",
    "- The answer is in Prometheus' text format, or in OpenMetrics if the request asks for it. You " +
      "need no key.\n" +
      "- No label has a value that a client chooses, such as a room or an event. So the number of " +
      "series is limited.\n" +
      "- Node.js' own metrics (`process_*`, `nodejs_*`) are included unless `metrics.defaults` is off. " +
      "`nodejs_eventloop_lag_*` come from the same samples as `sluice_event_loop_lag_seconds`.\n" +
      "- The column _Alerts_ links to the runbooks of the alerts that use a metric.\n" +
      "- To set up Prometheus, see [deploy/prometheus](../deploy/prometheus/README.md).",
    table(
      ["Metric", "Kind", "Labels", "What it is", "Alerts"],
      rows.map(([name, row]) => [
        code(name),
        row.kind,
        row.labels.map(code).join(", "),
        prose(row.help),
        alertsOf(name)
          .map((alert) => `[${alert.name}](alerts.md#${alert.name.toLowerCase()})`)
          .join(", "),
      ]),
    ),
    "## Recorded sums",
    "`deploy/prometheus/rules/recording.yml` records these series. Alerts and dashboards use them.",
    table(
      ["Series", "Expression"],
      recordings.map((rule) => [code(rule.name), code(rule.expression)]),
    ),
  );
}

/** Returns the page of close reasons. */
export function closesPage(): string {
  const ways = { flush: "after unsent data", end: "at once", cut: "TCP cut" };
  return page(
    "Close reasons",
    "Each closed connection is counted once in `sluice_connections_closed_total{reason}`. Socket.IO " +
      "clients reconnect by themselves, unless they closed the connection themselves.\n\n" +
      "*How* says what happens to a WebSocket:\n\n" +
      "- *after unsent data*: unsent data is sent first, then the close frame.\n" +
      "- *at once*: the close frame is sent at once.\n" +
      "- *TCP cut*: unsent data is dropped and TCP is cut. The client gets no close frame and no code.\n\n" +
      "The text of the close frame is the reason.\n\n" +
      "*`disconnect` reason* is what the `disconnect` event of the socket says in your handlers. The event " +
      "of the client says its own reason, such as `transport close`.\n\n" +
      "A long-polling client that the server closes gets unsent data with its next poll, and then the " +
      "close packet. The poll must come within `socket.pingTimeoutMs`, or within one second if the " +
      "client has joined no namespace. After `overload` and `ping_timeout` it gets neither.",
    table(
      ["Reason", "What happened", "Ended by", "How", "WebSocket code", "`disconnect` reason"],
      Object.entries(CLOSES).map(([name, row]) => [
        code(name),
        sentence(prose(row.text)),
        `the ${row.by}`,
        ways[row.how],
        name === "client_closed" ? "the client's" : row.how === "cut" ? "none" : String(row.code),
        code(row.disconnect),
      ]),
    ),
  );
}

/** Returns the page of the options of a Socket.IO server. */
export function optionsPage(): string {
  return page(
    "Options of `new Server()`",
    "What `attach` does with each option of a Socket.IO server. If you set an option that is refused, " +
      "`attach` throws an error with the sentence of its row.",
    table(
      ["Option", "Honoured?", "What it does"],
      Object.entries(SERVER_OPTIONS).map(([name, row]) => [
        code(name),
        "refuses" in row ? (REFUSED_IN_PART[name] ?? "no") : "yes",
        sentence(prose(row.text)),
      ]),
    ),
  );
}

/** Options of which only some values are refused. */
const REFUSED_IN_PART: Readonly<Record<string, string>> = {
  parser: "for msgpack and JSON",
  transports: "except webtransport",
  perMessageDeflate: "only if off",
};

/** Returns the page of failures. */
export function failuresPage(): string {
  return page(
    "Failures",
    "These are all failures that clients, functions and operators can get. HTTP callers get a problem " +
      "document (RFC 9457) with this code and status. *Retry* says whether the same request may succeed " +
      "if you send it again later. Match the code, not the text: " +
      "[texts may change](versioning.md#what-is-not-promised).",
    table(
      ["Code", "Text", "HTTP status", "Retry"],
      Object.entries(FAILURES).map(([name, row]) => [
        code(name),
        sentence(prose(row.text)),
        String(row.status),
        row.retry ? "yes" : "no",
      ]),
    ),
  );
}
