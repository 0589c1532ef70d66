import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { stringify } from "yaml";
import { findFreePort } from "./free-port.ts";
import { until } from "./wait.ts";

/** A real Prometheus of one test. */
export interface Prometheus {
  readonly url: string;
  /** Returns the series of an instant query: labels and value. */
  query(expression: string): Promise<Series[]>;
}

/** One series of an answer. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Starts Prometheus with the given scrape jobs and rule files; it ends with the test. */
export async function startPrometheus(
  t: TestContext,
  jobs: Readonly<Record<string, readonly string[]>>,
  { everyMs = 500, rules = [] }: { everyMs?: number; rules?: readonly unknown[] } = {},
): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-prometheus-"));
  rules.forEach((file, i) => {
    writeFileSync(join(folder, `rules-${i}.yml`), stringify(file));
  });
  const every = `${everyMs}ms`;
  const config = {
    global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
    rule_files: ["rules-*.yml"],
    scrape_configs: Object.entries(jobs).map(([job_name, targets]) => ({
      job_name,
      static_configs: [{ targets }],
    })),
  };
  writeFileSync(join(folder, "prometheus.yml"), stringify(config));
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    log += chunk;
  });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await exit;
    rmSync(folder, { recursive: true });
  });
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
  await until(isReady, "Prometheus is ready", 20_000).catch((cause) => {
    throw new Error(`Prometheus did not start: ${log}`, { cause });
  });
  return { url, query: (expression) => ask(url, expression) };
}

async function ask(url: string, expression: string): Promise<Series[]> {
  const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`);
  // The shape of Prometheus' HTTP API, "Instant queries", for vectors.
  const { data, error } = (await answer.json()) as {
    data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
    error?: string;
  };
  if (!data) throw new Error(`${expression}: ${error}`);
  return data.result.map((one) => ({ labels: one.metric, value: Number(one.value[1]) }));
}
