import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient } from "../harness/gateway.ts";
import { startProcess, testFolder } from "../harness/process.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const MEMBERS = 50;

test("a room broadcast of the README's gateway is seen by a real Prometheus, exactly", async (t) => {
  if (!hasTool(t, "prometheus")) return;
  const gateway = startProcess(t, ["npm", "start", "--silent"], { PORT: "0" });
  const { port } = await gateway.line("port");
  const url = `http://127.0.0.1:${port}`;

  const folder = testFolder(t);
  const config = join(folder, "prometheus.yml");
  writeFileSync(
    config,
    `global: { scrape_interval: 200ms }
scrape_configs:
  - job_name: sluice
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]
`,
  );
  const at = `127.0.0.1:${await findFreePort()}`;
  const paths = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`];
  startProcess(t, ["prometheus", ...paths, `--web.listen-address=${at}`]);
  const query = async (promql: string): Promise<number | undefined> => {
    const answer = await fetch(
      `http://${at}/api/v1/query?query=${encodeURIComponent(promql)}`,
    ).catch(() => undefined);
    if (!answer?.ok) return undefined;
    const body = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    const value = body.data.result[0]?.value[1];
    return value === undefined ? undefined : Number(value);
  };

  const clients = Array.from({ length: MEMBERS }, () => newClient(url));
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect")));
  await Promise.all(clients.map((client) => client.emitWithAck("join", "lobby")));
  const heard: number[] = [];
  for (const [at, client] of clients.entries()) client.on("message", () => heard.push(at));
  const [speaker] = clients;
  assert.equal(await speaker?.emitWithAck("message", "lobby", "hello"), true);
  await until(() => heard.length >= MEMBERS - 1, "the message");
  const others = Array.from({ length: MEMBERS - 1 }, (_, at) => at + 1);
  assert.deepEqual(
    heard.sort((a, b) => a - b),
    others,
    "everyone but the sender, once",
  );

  const deliveries = () => query("sluice_deliveries_total");
  await until(async () => (await deliveries()) === MEMBERS - 1, "the scrape", 20_000);
  assert.equal(await query("sum(sluice_connections)"), MEMBERS);
  assert.equal(await query('sluice_connections{transport="websocket",codec="msgpack"}'), MEMBERS);

  const scraped = await (await fetch(`${url}/metrics`)).text();
  const lint = spawnSync("promtool", ["check", "metrics"], { input: scraped, encoding: "utf8" });
  assert.equal(`${lint.stdout}${lint.stderr}`, "");
  assert.equal(lint.status, 0);
  const open = await fetch(`${url}/metrics`, {
    headers: { accept: "application/openmetrics-text; version=1.0.0" },
  });
  assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text/);
  assert.match(await open.text(), /# EOF\n$/);
});
