import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import chat from "../../examples/chat.ts";
import { connectClient, type Socket, watchClient } from "../harness/clients.ts";
import { findFreePort } from "../harness/free-port.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

interface Proxy {
  readonly command: string;
  readonly file: string;
  readonly args: (file: string, folder: string) => readonly string[];
  /** Lines that a process of one test needs and a machine's own service does not. */
  readonly adapt: (text: string, folder: string) => string;
}

const PROXIES: readonly Proxy[] = [
  {
    command: "haproxy",
    file: "haproxy/haproxy.cfg",
    args: (file) => ["-db", "-f", file],
    adapt: (text) => text.replace("maxconn 100000", "maxconn 1000"),
  },
  {
    command: "nginx",
    file: "nginx/nginx.conf",
    args: (file, folder) => ["-e", "stderr", "-p", folder, "-c", file],
    adapt: (text, folder) =>
      `daemon off;\nmaster_process off;\npid ${folder}/nginx.pid;\n${text
        .replace("worker_rlimit_nofile 200000;", "")
        .replace("worker_connections 100000", "worker_connections 1000")
        .replace("http {", `http {\n  access_log off;\n  client_body_temp_path ${folder};`)}`,
  },
];

/** Runs the proxy with the file of deploy/, its addresses replaced; returns its URL. */
async function startProxy(
  t: TestContext,
  proxy: Proxy,
  gateways: readonly TestGateway[],
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-proxy-"));
  const port = await findFreePort();
  const source = new URL(`../../deploy/${proxy.file}`, import.meta.url);
  const text = proxy
    .adapt(readFileSync(source, "utf8"), folder)
    .replace(/(bind :|listen )3000/, `$1${port}`)
    .replace("127.0.0.1:3001", `127.0.0.1:${gateways[0]?.port}`)
    .replace("127.0.0.1:3002", `127.0.0.1:${gateways[1]?.port}`);
  const file = join(folder, "proxy.conf");
  writeFileSync(file, text);
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const args = proxy.args(file, folder);
  const child = spawn(proxy.command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
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
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    fetch(`${url}${HANDSHAKE}`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(answers, `${proxy.command} passes requests on`).catch((cause) => {
    throw new Error(`${proxy.command}: ${log}`, { cause });
  });
  return url;
}

async function startTwo(t: TestContext): Promise<[TestGateway, TestGateway]> {
  const settings = { socket: { trustProxy: ["loopback"] } };
  const two = await Promise.all([testGateway(t, settings), testGateway(t, settings)]);
  for (const gateway of two) chat(gateway.io);
  return two;
}

for (const proxy of PROXIES) {
  test(`${proxy.command}: long-polling sessions stay at their gateway, and both get some`, async (t) => {
    if (!hasTool(t, proxy.command)) return;
    const two = await startTwo(t);
    const url = await startProxy(t, proxy, two);
    const polling = { transports: ["polling" as const], withCredentials: true };
    const clients = await Promise.all(
      Array.from({ length: 24 }, () => connectClient(url, "msgpack", polling)),
    );
    t.after(() => {
      for (const client of clients) client.disconnect();
    });
    // Every acknowledgement takes two more requests of the same session.
    for (const client of clients) assert.equal(await client.emitWithAck("join", "r"), true);
    const counts = two.map(({ io }) => io.of("/").sockets.size);
    assert.equal((counts[0] ?? 0) + (counts[1] ?? 0), clients.length);
    assert.ok(Math.min(...counts) > 0, `shared out as ${counts}`);
    for (const { io } of two)
      for (const socket of io.of("/").sockets.values())
        assert.equal(socket.handshake.headers["x-forwarded-for"], "127.0.0.1");
  });

  test(`${proxy.command}: a page of the proxy's own address is let in`, async (t) => {
    if (!hasTool(t, proxy.command)) return;
    // Seen: 403 for the page that nginx itself served from a port of its own. It passed the host on
    // without the port, and another port is another origin.
    const url = await startProxy(t, proxy, await startTwo(t));
    const knock = (origin: string) => ask(`${url}${HANDSHAKE}`, { headers: { origin } });
    assert.equal((await knock(url)).status, 200);
    assert.equal((await knock("http://127.0.0.1:1")).status, 403);
  });

  test(`${proxy.command}: a session goes from polling to WebSocket, and messages go both ways`, async (t) => {
    if (!hasTool(t, proxy.command)) return;
    const two = await startTwo(t);
    const url = await startProxy(t, proxy, two);
    const { socket, seen } = await watchClient(url, "msgpack", {
      transports: ["polling", "websocket"],
      withCredentials: true,
    });
    t.after(() => socket.disconnect());
    await until(() => socket.io.engine.transport.name === "websocket", "the session is upgraded");
    assert.equal(await socket.emitWithAck("join", "r"), true);
    for (const { io } of two) io.to("r").emit("news", "x".repeat(50_000));
    await until(() => seen.length > 0, "the news arrive");
    assert.deepEqual(seen, [["news", "x".repeat(50_000)]]);
  });
}

test("haproxy: a gateway that takes no new sessions keeps those it has", async (t) => {
  const [proxy] = PROXIES;
  if (!proxy || !hasTool(t, proxy.command)) return;
  const lags = [0, 0];
  const [one, two] = await Promise.all(
    lags.map((_, at) =>
      testGateway(
        t,
        { overload: { sampleMs: 10 } },
        { load: () => ({ lagMs: lags[at] ?? 0, memoryPercent: 0 }) },
      ),
    ),
  );
  if (!one || !two) return;
  const quick = (text: string) => text.replace("inter 2s", "inter 100ms");
  const adapt = (text: string, folder: string) => quick(proxy.adapt(text, folder));
  const url = await startProxy(t, { ...proxy, adapt }, [one, two]);
  for (const { io } of [one, two]) io.on("connection", (s) => s.on("echo", (x, done) => done(x)));
  const { socket } = await watchClient(url, "json", {
    transports: ["polling"],
    withCredentials: true,
  });
  t.after(() => socket.disconnect());
  await until(() => socket.connected, "a long-polling client");
  lags[one.io.of("/").sockets.size === 1 ? 0 : 1] = 600; // the first stage: it refuses everyone new
  const isOut = async () => {
    const added = await Promise.all(Array.from({ length: 10 }, () => connectClient(url))).catch(
      () => [],
    );
    for (const client of added) client.disconnect();
    return added.length === 10;
  };
  await until(isOut, "all new clients are let in by the other gateway", 20_000);
  for (let n = 0; n < 5; n++) assert.equal(await socket.emitWithAck("echo", n), n);
});

test("haproxy: a draining gateway gets no new sessions", async (t) => {
  const [proxy] = PROXIES;
  if (!proxy || !hasTool(t, proxy.command)) return;
  const draining = await testGateway(t, { socket: { drainMs: 10_000 } });
  const other = await testGateway(t);
  const quick = (text: string) => text.replace("inter 2s", "inter 200ms");
  const adapt = (text: string, folder: string) => quick(proxy.adapt(text, folder));
  const url = await startProxy(t, { ...proxy, adapt }, [draining, other]);
  const connectMany = (to: string) =>
    Promise.all(Array.from({ length: 20 }, () => connectClient(to)));
  const old = await connectMany(draining.url);
  const stopped = draining.stop();
  const added: Socket[] = [];
  // Until two checks have failed, some are still sent to the draining gateway, which refuses them.
  const isOut = () =>
    connectMany(url).then(
      (clients) => added.push(...clients) > 0,
      () => false,
    );
  await until(isOut, "all new clients are let in by the other gateway");
  assert.equal((await fetch(`${draining.url}/readyz`)).status, 503, "it is draining all the while");
  assert.ok(other.io.of("/").sockets.size >= added.length);
  for (const client of [...old, ...added]) client.disconnect();
  await stopped;
});
