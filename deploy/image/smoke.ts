/**
 * Starts a gateway by a command, lets two real clients chat through it, reads its metrics and stops
 * it by SIGTERM: `smoke.ts node dist/main.js`. Exits 0 if all of it went as documented.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../test/harness/free-port.ts";
import { newClient, sumMetric } from "../../test/harness/gateway.ts";
import { until } from "../../test/harness/wait.ts";

/** Two msgpack clients chat through the gateway at `url`, and its metrics count the delivery. */
export async function chatThrough(url: string): Promise<void> {
  const clients = [newClient(url), newClient(url)];
  try {
    const [one, two] = clients;
    const heard: { text: string }[] = [];
    two?.on("message", (message) => heard.push(message));
    for (const client of clients) client.connect();
    await until(() => clients.every((client) => client.connected), "both clients are connected");
    for (const client of clients) assert.equal(await client.emitWithAck("join", "r"), true);
    assert.equal(await one?.emitWithAck("message", "r", "hello"), true);
    await until(() => heard.length > 0, "the other client hears the message");
    assert.equal(heard[0]?.text, "hello");
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.equal(sumMetric(metrics, "sluice_connections", { codec: "msgpack" }), 2);
    assert.equal(sumMetric(metrics, "sluice_deliveries_total"), 1, "deliveries counted");
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function main(): Promise<void> {
  const [command = "", ...words] = process.argv.slice(2);
  const port = await findFreePort();
  const env = { ...process.env, PORT: String(port), SLUICE_SOCKET_DRAIN_MS: "200" };
  const child = spawn(command, words, { env, stdio: ["ignore", "inherit", "inherit"] });
  const exit = once(child, "exit");
  try {
    const url = `http://127.0.0.1:${port}`;
    const isUp = () =>
      fetch(`${url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    await until(isUp, "the gateway is ready", 20_000);
    await chatThrough(url);
    child.kill("SIGTERM");
    const [code] = await exit;
    assert.equal(code, 0, "SIGTERM ends it with exit code 0");
    console.log("smoke: two clients chatted, the delivery was counted, SIGTERM ended it with 0");
  } finally {
    child.kill("SIGKILL");
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
