/** Each query of the dashboard, asked of a real Prometheus that scrapes gateways under load. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import { startCollector } from "../harness/collector.ts";
import { SECRET as FUNCTION_SECRET, startFunction } from "../harness/function.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type Prometheus, startPrometheus } from "../harness/prometheus.ts";
import { testRedis } from "../harness/redis.ts";
import { JWT, nowS, signToken } from "../harness/tokens.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { openSession } from "../harness/wire-io.ts";

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly panels?: readonly Panel[];
  readonly fieldConfig?: { readonly defaults: { readonly noValue?: string } };
}

/** What Grafana puts in for its variables. */
const VARIABLES = {
  $job: "sluice",
  $instance: ".*",
  $__rate_interval: "10s",
  $quantile: "0.99",
};

const API_KEY = "a-key-of-the-tests-0123456789";

function listPanels(): { row: string; panel: Panel }[] {
  const file = new URL("../../deploy/grafana/dashboard.json", import.meta.url);
  // Written by dashboard.ts, whose panels have this shape.
  const { panels } = JSON.parse(readFileSync(file, "utf8")) as { panels: readonly Panel[] };
  let row = "";
  return panels.flatMap((panel) => {
    if (panel.type === "row") row = panel.title;
    const inside = panel.type === "row" ? (panel.panels ?? []) : [panel];
    return inside.map((one) => ({ row, panel: one }));
  });
}

/** Returns the queries that have no series with a number, as `row / panel: query`. */
async function findEmpty(prometheus: Prometheus): Promise<string[]> {
  const empty: string[] = [];
  for (const { row, panel } of listPanels()) {
    for (const { expr } of panel.targets ?? []) {
      const asked = Object.entries(VARIABLES).reduce((text, [name, value]) => {
        return text.replaceAll(name, value);
      }, expr);
      const series = await prometheus.query(asked);
      const isEmpty = !series.some(({ value }) => !Number.isNaN(value));
      if (isEmpty) empty.push(`${row} / ${panel.title}: ${expr}`);
    }
  }
  return empty;
}

/** Starts two nodes with Redis, a function, tokens, recovery, an API key and traces. */
async function startNodes(t: TestContext): Promise<readonly [TestGateway, TestGateway]> {
  const redis = await testRedis(t);
  const collector = await startCollector(t);
  const fn = await startFunction(t, ({ json: { event } }) =>
    event === "fail"
      ? { status: 500 }
      : { body: { data: { n: 1 }, ...(event !== undefined && { ack: ["ok"] }) } },
  );
  const start = () =>
    testGateway(
      t,
      {
        auth: JWT,
        api: { keys: [`tests:${API_KEY}`] },
        cluster: { redisUrl: redis.url },
        recovery: { windowMs: 60_000 },
        upstream: { url: fn.url, secrets: [FUNCTION_SECRET], attemptsMax: 2, retryMs: 1 },
        trace: { otlpUrl: collector.url },
        metrics: { defaults: true },
      },
      { fetch: () => new Response("hello") },
    );
  return [await start(), await start()];
}

/** Has a client held up, so that it is under pressure for a moment. */
async function press(gateway: TestGateway, token: string): Promise<void> {
  const slow = await openSession(gateway.port, "websocket");
  await slow.send(`40${JSON.stringify({ token })}`);
  assert.match(String(await slow.next()), /^40/);
  slow.ws?.tcp.socket.pause();
  const isPressed = async () => {
    gateway.io.local.emit("news", "x".repeat(100_000));
    return (await gateway.metric("sluice_pressured_connections")) > 0;
  };
  await until(isPressed, "pressure");
  slow.ws?.tcp.socket.resume();
  const isOver = async () => (await gateway.metric("sluice_pressured_connections")) === 0;
  await until(isOver, "the end of the pressure");
  slow.close("reset");
}

function post(gateway: TestGateway, commands: readonly unknown[]): Promise<Response> {
  return fetch(`${gateway.url}/v1/commands`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(commands),
  });
}

/** Does a little of everything, again and again, so that every rate has something to show. */
async function useAll(gateway: TestGateway, client: Socket): Promise<void> {
  await client.emitWithAck("ask");
  client.emit("tell");
  client.emit("fail");
  const commands = [
    { do: "emit", event: "now" },
    { do: "emit", event: "later", afterMs: 1 },
  ];
  const answer = await post(gateway, commands);
  assert.equal(answer.status, 200, await answer.text());
  assert.equal(await (await fetch(gateway.url)).text(), "hello");
  gateway.io.emit("news");
}

test("every query of the dashboard has data while its part is in use", async (t) => {
  if (!hasTool(t, "prometheus") || !hasTool(t, "redis-server")) return;
  const [a, b] = await startNodes(t);
  const token = await signToken({ sub: "ann", exp: nowS() + 3600 });
  const clients = [
    await a.connected({ auth: { token } }),
    await b.connected({ auth: { token }, codec: "json" }),
  ];
  await a.connected({ auth: { token }, transports: ["polling"] });
  const prometheus = await startPrometheus(t, {
    sluice: [a, b].map(({ port }) => `127.0.0.1:${port}`),
  });
  const [returning] = clients;
  assert.ok(returning);
  const back = next(returning, "connect");
  returning.io.engine.close();
  returning.connect();
  await back;
  let empty: string[] | undefined;
  const isFull = async () => {
    for (const [at, gateway] of [a, b].entries()) {
      const client = clients[at];
      if (client?.connected) await useAll(gateway, client);
    }
    await press(a, token);
    empty = await findEmpty(prometheus);
    return empty.length === 0;
  };
  await until(isFull, "data for every query", 60_000).catch((error) => {
    if (empty === undefined) throw error;
  });
  assert.deepEqual(empty, []);
});

test("a panel of a part that is not in use says so", async (t) => {
  if (!hasTool(t, "prometheus")) return;
  const gateway = await testGateway(t, { metrics: { defaults: true } });
  const target = `127.0.0.1:${gateway.port}`;
  const prometheus = await startPrometheus(t, { sluice: [target] });
  const twice = async () => (await prometheus.query("count_over_time(up[10s]) > 3")).length > 0;
  await until(twice, "scrapes", 30_000);
  const empty = new Set((await findEmpty(prometheus)).map((one) => one.split(":", 1)[0]));
  const silent = listPanels()
    .filter(({ row, panel }) => empty.has(`${row} / ${panel.title}`))
    .filter(({ panel }) => panel.fieldConfig?.defaults.noValue === undefined)
    .map(({ row, panel }) => `${row} / ${panel.title}`);
  assert.deepEqual(silent, []);
});
