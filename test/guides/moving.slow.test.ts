/** The HAProxy file of docs/migrating.md moves clients from stock Socket.IO to Sluice, and back. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { Server } from "socket.io";
import { connectClient } from "../harness/clients.ts";
import { readCodeBlock } from "../harness/code-blocks.ts";
import { findFreePort } from "../harness/free-port.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { startStock } from "../harness/stock.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

/** Runs HAProxy with the block of the page, its addresses and its socket replaced. */
async function startProxy(t: TestContext, ports: { old: number; sluice: number }) {
  const folder = mkdtempSync(join(tmpdir(), "sluice-moving-"));
  const port = await findFreePort();
  const admin = join(folder, "admin.sock");
  const replaced = [
    ["bind :3000", `bind :${port}`],
    ["127.0.0.1:3001", `127.0.0.1:${ports.old}`],
    ["127.0.0.1:3002", `127.0.0.1:${ports.sluice}`],
    ["/run/haproxy.sock", admin],
    ["maxconn 100000", "maxconn 1000"],
  ] as const;
  let config = readCodeBlock("docs/migrating.md", "haproxy.cfg");
  for (const [from, to] of replaced) {
    assert.ok(config.includes(from), from);
    config = config.replaceAll(from, to);
  }
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, config);
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn("haproxy", ["-db", "-f", file], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await exit;
    rmSync(folder, { recursive: true });
  });
  /** Sends a command of the page, such as `set server move/sluice weight 90`. */
  const command = async (line: string): Promise<string> => {
    const socket = connect(admin);
    socket.end(`${line}\n`);
    return text(socket);
  };
  return { url: `http://127.0.0.1:${port}`, command };
}

const serve = (io: Server, name: string) =>
  io.on("connection", (socket) => socket.on("who", (done) => done(name)));

test("clients land by weight, long-polling stays, and going back works", async (t) => {
  if (!hasTool(t, "haproxy")) return;
  const old = await startStock(t);
  const sluice = await testGateway(t, { socket: { trustProxy: ["loopback"] } });
  serve(old.io, "old");
  serve(sluice.io, "sluice");
  const { url, command } = await startProxy(t, { old: old.port, sluice: sluice.port });
  const isUp = () =>
    ask(`${url}/socket.io/?EIO=4&transport=polling`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(isUp, "haproxy passes requests on");
  const again = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
  const polling = { transports: ["polling" as const], withCredentials: true, ...again };
  const arrive = async (count: number) => {
    const clients = await Promise.all(
      Array.from({ length: count }, () => connectClient(url, "json", polling)),
    );
    t.after(() => {
      for (const client of clients) client.disconnect();
    });
    const names: string[] = [];
    for (const client of clients) names.push(await client.emitWithAck("who"));
    return { clients, names, moved: names.filter((name) => name === "sluice").length };
  };

  const few = await arrive(40);
  assert.ok(few.moved >= 1 && few.moved <= 12, `10 % of 40: ${few.moved}`);
  assert.equal(await command("set server move/sluice weight 100"), "\n");
  assert.equal(await command("set server move/old weight 0"), "\n");
  assert.equal((await arrive(20)).moved, 20);
  for (const [at, client] of few.clients.entries())
    assert.equal(await client.emitWithAck("who"), few.names[at], "a session stays at its server");

  await command("set server move/old weight 100");
  await command("set server move/sluice weight 0");
  assert.equal((await arrive(20)).moved, 0);
  // Who is still at Sluice comes back by itself once Sluice stops.
  const left = few.clients.filter((_, at) => few.names[at] === "sluice");
  await sluice.stop();
  for (const client of left) {
    const isBack = async () =>
      client.connected &&
      (await client
        .timeout(2000)
        .emitWithAck("who")
        .catch(() => "")) === "old";
    await until(isBack, "a client of Sluice is back at the old server", 30_000);
  }
});
