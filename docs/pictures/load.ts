/** Draws the picture of docs/operating.md: what Prometheus shows of a load. */
import type { TestContext } from "node:test";
import { readGroups } from "../../deploy/prometheus/rules.ts";
import { NODE, startProcess } from "../../test/harness/process.ts";
import { startPrometheus } from "../../test/harness/prometheus.ts";
import { openGraphs } from "./incident.ts";
import { pass, startNode, take } from "./scene.ts";

const QUERIES = [
  "job:sluice_deliveries:rate1m",
  "sum by (transport, codec) (sluice_connections) > 0",
];
/** As deploy/prometheus/prometheus.yml has it. */
const EVERY_MS = 15_000;
const SECONDS = 105;

/** Runs the load of the page, and prints the figures that it quotes. */
export async function drawLoad(t: TestContext): Promise<void> {
  const node = await startNode(t, { handlers: { module: "examples/chat.ts" } });
  const jobs = { sluice: [`127.0.0.1:${node.port}`] };
  const rules = [{ groups: readGroups() }];
  const prometheus = await startPrometheus(t, jobs, { everyMs: EVERY_MS, rules });
  await pass(EVERY_MS / 1000);
  const load = ["--clients", "400", "--room", "lobby", "--rate", "50", "--seconds", "150"];
  startProcess(t, [...NODE, "bench/main.ts", "load", "--url", node.url, ...load]);
  await pass(SECONDS);
  await take(
    t,
    "prometheus",
    await openGraphs(t, prometheus.url, { queries: QUERIES, range: "3m" }),
  );
  for (const query of QUERIES) t.diagnostic(JSON.stringify(await prometheus.query(query)));
  const text = await (await fetch(`${node.url}/metrics`)).text();
  t.diagnostic(text.match(/^sluice_(broadcasts_total.*[1-9]|deliveries).*$/gm)?.join("\n") ?? "");
}
