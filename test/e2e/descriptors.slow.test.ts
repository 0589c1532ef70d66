import assert from "node:assert/strict";
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient, sumMetric } from "../harness/gateway.ts";
import { SLUICE, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const DESCRIPTORS = 150;

/** A process with few file descriptors, and what asks its API over one connection. */
async function startShort(t: TestContext, env: Record<string, string>) {
  const run = ["bash", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "bash", ...SLUICE];
  const gateway = startProcess(t, run, {
    ...{ SLUICE_SOCKET_PORT: "0", SLUICE_SOCKET_HOST: "127.0.0.1" },
    ...env,
  });
  const line = await gateway.line("apiPort");
  const ports = line as { port: number; apiPort: number }; // the line of the start has both
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = (path: string): Promise<[number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const at = { agent, path, port: ports.apiPort, host: "127.0.0.1" };
      get(at, (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (chunk) => (body += chunk));
        answer.on("end", () => resolve([answer.statusCode, body]));
      }).on("error", reject);
    });
  return { ...ports, gateway, ask };
}

/** Opens more connections than the process has descriptors for. */
function connectMany(t: TestContext, port: number): () => void {
  const sockets: Socket[] = [];
  for (let n = 0; n < DESCRIPTORS + 50; n++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {}); // those that find no room are reset
    sockets.push(socket);
  }
  const leave = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(leave);
  return leave;
}

const skip = process.platform === "win32";

for (const [where, ownPort] of [
  ["one port", false],
  ["a port of the API's own", true],
] as const) {
  test(`out of file descriptors it accepts none until some are free (${where})`, {
    skip,
  }, async (t) => {
    // Seen: one core at 100 %, /readyz 200 and not a line. The kernel reports a connection that
    // cannot be accepted again and again, and nobody stopped asking.
    const { port, apiPort, gateway, ask } = await startShort(t, {
      ...(ownPort && { SLUICE_API_PORT: String(await findFreePort()) }),
    });
    assert.equal((await ask("/readyz"))[0], 200);
    const client = newClient(`http://127.0.0.1:${port}`, {});
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    const leave = connectMany(t, port);
    await gateway.said("accepting paused");
    const [status, why] = await ask("/readyz");
    assert.deepEqual([status, why.split(":")[0]], [503, "SOCKET_NO_DESCRIPTORS"]);
    await client.timeout(10_000).emitWithAck("join", "x"); // who is in is served
    if (ownPort) assert.equal((await fetch(`http://127.0.0.1:${apiPort}/healthz`)).status, 200);
    leave();
    await gateway.said("accepting again");
    await until(async () => (await ask("/readyz"))[0] === 200, "ready again");
    const other = newClient(`http://127.0.0.1:${port}`, {});
    t.after(() => other.disconnect());
    await next(other.connect(), "connect");
    const [, metrics] = await ask("/metrics");
    assert.ok(sumMetric(metrics, "sluice_accept_pauses_total") >= 1);
  });
}
