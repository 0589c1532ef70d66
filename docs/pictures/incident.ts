/** Draws the pictures of docs/incident.md, and prints the lines and figures that it quotes. */
import type { TestContext } from "node:test";
import type { Locator } from "playwright-core";
import { readGroups } from "../../deploy/prometheus/rules.ts";
import { SECRET, startFunction } from "../../test/harness/function.ts";
import { startPrometheus } from "../../test/harness/prometheus.ts";
import { until } from "../../test/harness/wait.ts";
import {
  connectUsers,
  KEY,
  type Node,
  openConsole,
  openUrl,
  pass,
  repeat,
  startNode,
  take,
} from "./scene.ts";

const QUERIES = [
  'sum by (route, outcome) (rate(sluice_upstream_calls_total{job="sluice"}[1m]))',
  'sum by (reason) (rate(sluice_upstream_refused_total{job="sluice"}[1m])) > 0',
];
const CLIENTS = 20;
/** How often Prometheus reads the metrics: often, so that the curves are not stairs. */
const EVERY_MS = 5000;
/** How long the incident is left alone once its alert fires. */
const LATER_SECONDS = 30;

/** Lets one of two functions fail, waits for the alert, and lets the function recover. */
export async function drawIncident(t: TestContext): Promise<void> {
  const [orders, chat] = [await startFunction(t), await startFunction(t, () => ({ body: {} }))];
  const answered = { body: { ack: [{ ok: true }] } };
  orders.answer = () => answered;
  const node = await startNode(t, {
    upstream: {
      secrets: [SECRET],
      retryForMs: 20_000,
      routes: [
        { name: "orders", event: "order", url: orders.url },
        { name: "chat", event: "say", url: chat.url },
      ],
    },
  });
  const users = await connectUsers(t, node.url, CLIENTS);
  repeat(t, 100, (round) => {
    const user = users[round % CLIENTS];
    // A few orders are sent without an acknowledgement, so they are retried.
    if (Math.floor(round / CLIENTS) % 10 === 0 && round % 4 === 0) user?.emit("order", { item: 1 });
    else user?.emit("order", { item: 1 }, () => {});
    user?.emit("say", "hello");
  });
  const jobs = { sluice: [`127.0.0.1:${node.port}`] };
  const rules = [{ groups: readGroups() }];
  const prometheus = await startPrometheus(t, jobs, { everyMs: EVERY_MS, rules });
  await pass(60);

  orders.answer = () => ({ status: 500, body: { why: "connect ECONNREFUSED 10.0.0.9:5432" } });
  const firing = 'ALERTS{alertname="SluiceBreakerOpen", alertstate="firing"}';
  await until(async () => (await prometheus.query(firing)).length > 0, "the alert", 120_000);
  await pass(LATER_SECONDS);
  await takeAlert(t, prometheus.url);
  await takeQueries(t, prometheus.url);
  const page = await openConsole(t, node, "functions");
  await page.getByText("UPSTREAM_FAILED").first().waitFor();
  await pass(7); // until there is a rate
  await take(t, "incident-console", page, { height: 640 });
  for (const query of QUERIES) t.diagnostic(JSON.stringify(await prometheus.query(query)));
  const alerts = await prometheus.query("ALERTS");
  t.diagnostic(alerts.map(({ labels }) => `${labels.alertname} ${labels.alertstate}`).join(", "));

  orders.answer = () => answered;
  const state = "sluice_upstream_breaker_state > 0";
  await until(async () => (await prometheus.query(state)).length === 0, "it is over", 60_000);
  t.diagnostic(`replayed: ${await replay(node)}`);
  t.diagnostic(node.run.output());
}

async function takeAlert(t: TestContext, url: string): Promise<void> {
  const page = await openUrl(t, `${url}/classic/alerts`);
  const name = "SluiceBreakerOpen";
  await page.locator(".alert_header", { hasText: name }).click();
  // What is left of the table is this alert.
  await page.evaluate(`for (const row of document.querySelectorAll("tr"))
    if (!row.textContent.includes("${name}")) row.remove();`);
  await page.getByText("for: 1m").waitFor();
  await take(t, "incident-alert", page.locator("table").first());
}

async function takeQueries(t: TestContext, url: string): Promise<void> {
  await take(t, "incident-queries", await openGraphs(t, url, { queries: QUERIES, range: "4m" }));
}

/** Opens Prometheus' own page; returns its part with a graph of each query. */
export async function openGraphs(
  t: TestContext,
  url: string,
  { queries, range }: { readonly queries: readonly string[]; readonly range: string },
): Promise<Locator> {
  const words = queries.flatMap((query, at) => [
    [`g${at}.expr`, query],
    [`g${at}.tab`, "0"],
    [`g${at}.range_input`, range],
  ]);
  const page = await openUrl(t, `${url}/classic/graph?${new URLSearchParams(words)}`, {
    height: 1180,
  });
  await page.locator("svg path").first().waitFor();
  await pass(1);
  return page.locator("#graph_container");
}

async function replay({ url }: Node): Promise<string> {
  const response = await fetch(`${url}/v1/deadletters`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: '{"route":"orders"}',
  });
  return response.text();
}
