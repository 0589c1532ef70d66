/** What /metrics says of several workers, whatever becomes of them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { get } from "node:http";
import { type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { sumMetric } from "../harness/gateway.ts";
import { arrivals } from "../harness/nodes.ts";
import { SLUICE, startProcess } from "../harness/process.ts";
import { until } from "../harness/wait.ts";

const CLIENTS = 20;

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Two workers with clients. */
async function workers(t: TestContext) {
  const port = await findFreePort();
  const run = startProcess(t, SLUICE, {
    PORT: String(port),
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_SOCKET_TRANSPORTS: "websocket",
    SLUICE_CLUSTER_WORKERS: "2",
    SLUICE_HANDLERS_MODULE: "test/harness/obedient.ts",
  });
  const listening = (count: number) =>
    until(
      () => (run.output().match(/listening on port/g)?.length ?? 0) >= count,
      `${count} workers`,
      60_000,
    );
  await listening(2);
  const { clients } = await arrivals(t, `http://127.0.0.1:${port}`, CLIENTS);
  await Promise.all(clients.map((client) => client.emitWithAck("join", "red")));
  /** Asks on a connection of its own, and again where nobody answers: it was one that hangs. */
  async function scrape(): Promise<Answer> {
    for (;;) {
      const answer = await ask(port);
      if (answer) return answer;
    }
  }
  const pids = () => {
    const words = ["-P", String(run.child.pid), "-f", "/main[.][tj]s"];
    return execFileSync("pgrep", words, { encoding: "utf8" }).trim().split("\n").map(Number);
  };
  const signal = (pid: number, name: NodeJS.Signals) => {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended.
    }
  };
  return { run, listening, clients, scrape, pids, signal };
}

function ask(port: number): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const request = get({ port, path: "/metrics", agent: false, timeout: 4000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (data) => {
        body += data;
      });
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });
}

/** The value of every series of counters and histograms. */
function totals(body: string): Map<string, number> {
  const names = new Set<string>();
  const found = new Map<string, number>();
  for (const line of body.split("\n")) {
    const [, name, kind] = line.match(/^# TYPE (\S+) (\S+)/) ?? [];
    if (name && (kind === "counter" || kind === "histogram")) names.add(name);
    const [, series, family, value] =
      line.match(/^((\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})?) (\S+)$/) ?? [];
    if (series && family && names.has(family)) found.set(series, Number(value));
  }
  return found;
}

function neverFalls(before: string, after: string): void {
  const now = totals(after);
  assert.ok(now.size > 100, `${now.size} series`);
  for (const [series, value] of totals(before)) {
    assert.ok((now.get(series) ?? 0) >= value, `${series}: ${value}, then ${now.get(series)}`);
  }
}

const opened = (body: string) => sumMetric(body, "sluice_connections_opened_total");
const missed = (body: string) => sumMetric(body, "sluice_cluster_scrapes_missed_total");

test("totals never fall while one worker after the other is killed and replaced", async (t) => {
  // Seen: they fell by what the dead worker had counted, so that rates invented connections. Only
  // workers that live were added up.
  const { listening, scrape, pids, signal } = await workers(t);
  let { body } = await scrape();
  assert.equal(opened(body), CLIENTS);
  assert.equal(sumMetric(body, "sluice_connections"), CLIENTS);
  for (const [at, victim] of pids().entries()) {
    signal(victim, "SIGKILL");
    await until(() => !pids().includes(victim), "its end");
    const without = await scrape();
    assert.equal(without.status, 200);
    neverFalls(body, without.body);
    await listening(3 + at);
    const replaced = await scrape();
    neverFalls(without.body, replaced.body);
    assert.equal(sumMetric(replaced.body, "sluice_build_info"), 1);
    body = replaced.body;
  }
  await until(
    async () => sumMetric((await scrape()).body, "sluice_connections") === CLIENTS,
    "that gauges tell of the living alone",
  );
  assert.equal(missed((await scrape()).body), 0);
});

test("a worker that hangs is left out of gauges and counted, its totals stay, and it may come back", async (t) => {
  // Seen: after five seconds 500, or 200 with nothing. The answers of all were waited for.
  const { clients, scrape, pids, signal } = await workers(t);
  const before = await scrape();
  const [hung = 0] = pids();
  signal(hung, "SIGSTOP");
  t.after(() => signal(hung, "SIGCONT"));
  const during = await Promise.all(Array.from({ length: 5 }, scrape));
  for (const { status, body } of during) {
    assert.equal(status, 200);
    neverFalls(before.body, body);
    assert.ok(missed(body) > 0);
    assert.ok(sumMetric(body, "sluice_connections") <= CLIENTS);
    assert.equal(sumMetric(body, "sluice_build_info"), 1);
  }
  signal(hung, "SIGCONT");
  await until(async () => {
    const { body } = await scrape();
    return sumMetric(body, "sluice_connections") === CLIENTS && missed(body) > 0;
  }, "its return");
  assert.ok(clients.every(({ connected }) => connected));
  const after = await scrape();
  for (const { body } of during) neverFalls(body, after.body);
});

test("a worker that dies while it is asked holds up nobody, and its totals stay", async (t) => {
  const { scrape, pids, signal } = await workers(t);
  const before = await scrape();
  const [hung = 0] = pids();
  signal(hung, "SIGSTOP");
  const asked = Promise.all([scrape(), scrape(), scrape()]);
  signal(hung, "SIGKILL");
  for (const { status, body } of await asked) {
    assert.equal(status, 200);
    neverFalls(before.body, body);
  }
});
