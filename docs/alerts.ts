import { FIRST_ROWS } from "../deploy/grafana/first-rows.ts";
import { FOLDED_ROWS } from "../deploy/grafana/folded-rows.ts";
import { readPromql } from "../deploy/prometheus/promql.ts";
import { type Alert, readRules } from "../deploy/prometheus/rules.ts";
import { RUNBOOKS } from "../deploy/prometheus/runbooks/all.ts";
import { page } from "./markdown.ts";
import { prose } from "./prose.ts";

const { alerts, recordings } = readRules();

const INTRODUCTION = `A runbook for each alert in \`deploy/prometheus/rules/\`. Search this page for the name of your alert.
[incident.md](incident.md) shows one incident from the alert to the cause.

- Critical alerts should page someone. Warnings can wait for the morning.
- The alerts find gateways by \`job="sluice"\`.
- \`runbook_url\` in each alert leads to this page, after you have set the address where you publish it
  ([how](../deploy/prometheus/README.md)).
- Each alert is tested: when it fires, and when it does not
  (\`promtool test rules deploy/prometheus/tests/*.yml\`).

Set these variables in your shell before you run the commands. Use the gateway that the alert names:

\`\`\`sh
API=http://10.0.0.5:3000                 # its API port
KEY=…                                    # the secret of a key in api.keys
LOG="journalctl -u sluice -o cat"        # or: kubectl logs POD, docker logs NAME
PID=$(pgrep -f main.js)                  # on its machine
REDIS=redis://10.0.0.7:6379              # cluster.redisUrl
PROMETHEUS=http://10.0.0.8:9090
JWKS_URL=… FUNCTION_URL=…                # auth.jwksUrl, upstream.url
\`\`\``;

/** Returns the alerts page: when each alert fires, and its runbook. */
export function alertsPage(): string {
  const rows = [...FIRST_ROWS, ...FOLDED_ROWS].map(({ title, panels }) => {
    const lines = panels.flatMap((panel) => Object.keys(panel.lines));
    return { title, names: new Set(lines.flatMap(namesIn)) };
  });
  return page("Alerts", INTRODUCTION, ...alerts.map((alert) => describeAlert(alert, rows)));
}

/** A row of the dashboard, and the metrics that it shows. */
interface ShownRow {
  readonly title: string;
  readonly names: ReadonlySet<string>;
}

function describeAlert(alert: Alert, rows: readonly ShownRow[]): string {
  const runbook = RUNBOOKS[alert.name];
  if (!runbook) throw new Error(`${alert.name} has no runbook in deploy/prometheus/runbooks`);
  const { users, queries, commands, causes, mitigate, over } = runbook;
  const after = alert.holdsFor === "0s" ? "" : `, after ${alert.holdsFor}`;
  const asked = queries.map(({ shows, promql }) => `# ${shows}\n${promql}`).join("\n");
  return [
    `## ${alert.name}`,
    `${alert.severity === "critical" ? "**Critical**" : "Warning"}${after}. ${prose(alert.action)}`,
    block("promql", alert.expression),
    `**What users notice.** ${users}`,
    `**Look at** ${describeRows(alert, rows)}these queries:`,
    block("promql", asked),
    "**Run**",
    block("sh", commands.join("\n")),
    "**Likely causes**, the most likely first",
    causes.map((cause, at) => `${at + 1}. ${cause}`).join("\n"),
    "**Do**",
    mitigate.map((step) => `- ${step}`).join("\n"),
    `**Over when:** ${over}`,
  ].join("\n\n");
}

const block = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\``;

/** Names the rows of the dashboard that show what an alert reads. */
function describeRows({ expression }: Alert, rows: readonly ShownRow[]): string {
  const read = namesIn(expression);
  const shown = rows.filter(({ names }) => read.some((name) => names.has(name)));
  const titles = shown.map(({ title }) => `_${title}_`);
  if (titles.length === 0) return "";
  return `the dashboard's ${titles.length === 1 ? "row" : "rows"} ${titles.join("; ")}, and `;
}

/** Returns the metrics that an expression reads, also through a recorded sum. */
function namesIn(expression: string): string[] {
  return readPromql(expression).selectors.flatMap(({ metric }) => {
    const recording = recordings.find(({ name }) => name === metric);
    if (recording) return namesIn(recording.expression);
    return [metric.replace(/_(bucket|sum|count)$/, "")];
  });
}
