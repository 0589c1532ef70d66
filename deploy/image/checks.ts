/**
 * What must hold for the image that replay.ts built in `$IMAGE_OUT`. Run by verify.sh, as root.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../test/harness/free-port.ts";
import { newClient, sumMetric } from "../../test/harness/gateway.ts";
import { until } from "../../test/harness/wait.ts";
import type { Layer } from "./layer.ts";
import type { ImageConfig } from "./replay.ts";
import { chatThrough } from "./smoke.ts";

const MODULES_BYTES_MAX = 20e6;
const out = process.env.IMAGE_OUT ?? "";
const root = join(out, "root");
/** Mounted into every container, as the compose file does for its demo function. */
const EXAMPLES = fileURLToPath(new URL("../../examples/functions", import.meta.url));
const read = (path: string): { image: ImageConfig; layer: Layer } =>
  JSON.parse(readFileSync(path, "utf8")); // written by replay.ts, whose types these are
const { image, layer } = read(join(out, "image.json"));

let port = 0;
let child: ChildProcess | undefined;
let log = "";

/** Runs a command as the engine would run the container: its user, its variables, read-only root. */
function contain(words: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const pairs = Object.entries({ ...image.env, ...env }).map(([key, value]) => `${key}=${value}`);
  const script = [
    `mount --bind "$ROOT" "$ROOT"`,
    `mount -t proc proc "$ROOT/proc"`,
    `mkdir -p "$ROOT/app/examples/functions"`,
    `mount --bind "$EXAMPLES" "$ROOT/app/examples/functions"`,
    `mount --bind -o remount,ro "$ROOT"`,
    `exec chroot --userspec="$AS" "$ROOT" env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"`,
  ].join("\n");
  return spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "sh", "-ec", script, "in", ...pairs, ...words],
    {
      env: { ...process.env, ROOT: root, AS: image.user, EXAMPLES },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

/** Sends a signal to process 1 of a container; `unshare`, its parent, only waits for it. */
function signal({ pid, exitCode }: ChildProcess, name: "TERM" | "KILL"): void {
  if (pid === undefined || exitCode !== null) return;
  const first = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  assert.equal(spawnSync("kill", [`-${name}`, first]).status, 0);
}

async function outcome(words: readonly string[], env: Record<string, string> = {}) {
  const one = contain(words, env);
  let text = "";
  one.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  one.stderr?.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(one, "exit");
  return { code, text };
}

const scrape = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

before(async () => {
  port = await findFreePort();
  child = contain([...image.entrypoint, ...image.cmd], {
    PORT: String(port),
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_HANDLERS_MODULE: "/app/dist/examples/chat.js",
    SLUICE_SOCKET_DRAIN_MS: "500",
  });
  child.stdout?.on("data", (chunk) => {
    log += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    log += chunk;
  });
  const healthy = async () => (await outcome(image.healthcheck, { PORT: String(port) })).code === 0;
  await until(healthy, "the health check passes", 15_000).catch((cause) => {
    throw new Error(`the gateway did not start:\n${log}`, { cause });
  });
});

after(() => {
  if (child) signal(child, "KILL");
});

test("the application layer is small and its node_modules below 20 MB", (t) => {
  const modules = join(root, "app/node_modules");
  const bytes = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  t.diagnostic(
    `node_modules ${bytes / 1e6} MB; layer ${layer.bytes / 1e6} MB, ` +
      `${layer.gzipBytes / 1e6} MB compressed, ${layer.files} files`,
  );
  assert.ok(bytes <= MODULES_BYTES_MAX);
  for (const name of ["typescript", "tsx", "zod", "uWebSockets.js", "uwebsockets-legacy"])
    assert.throws(() => lstatSync(join(modules, name)), { code: "ENOENT" });
});

test("exactly one native binary is in it, the one of this platform and Node", () => {
  const found = readdirSync(join(root, "app"), { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".node"),
  );
  const { arch } = process;
  assert.deepEqual(found, [`node_modules/@sluice/uws-linux-${arch}/uws_linux_${arch}_137.node`]);
});

test("two builds of the same source have the same content", (t) => {
  const again = process.env.IMAGE_AGAIN;
  if (again === undefined) return t.skip("run verify.sh --twice");
  assert.equal(read(again).layer.digest, layer.digest);
});

test("the application is process 1, without root, on a root it cannot write to", async () => {
  const probe = `
    const fs = require("node:fs");
    let written = true;
    try { fs.writeFileSync("/app/x", ""); } catch { written = false; }
    console.log(JSON.stringify([process.pid, process.getuid(), process.getgid(), written]));`;
  const { text } = await outcome(["node", "-e", probe]);
  assert.deepEqual(JSON.parse(text), [1, 1000, 1000, false]);
});

test("the gateway in it runs on the current uWebSockets.js binary", async () => {
  const node = /node="(24\.[\d.]+)"/.exec(await scrape())?.[1] ?? "not 24";
  const build = { uws: "20.57.0", binary: "current", node };
  assert.equal(sumMetric(await scrape(), "sluice_build_info", build), 1);
});

test("two msgpack clients chat through it and the delivery is counted", async () => {
  await chatThrough(`http://127.0.0.1:${port}`);
});

/** Starts a container of a test; resolves once `isUp`. */
async function startBeside(
  t: TestContext,
  words: readonly string[],
  env: Record<string, string>,
  url: string,
): Promise<void> {
  const beside = contain(words, env);
  t.after(() => signal(beside, "KILL"));
  let said = "";
  for (const stream of [beside.stdout, beside.stderr]) {
    stream?.on("data", (chunk) => {
      said += chunk;
    });
  }
  const isUp = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  await until(isUp, `${words.join(" ")} answers`, 15_000).catch((cause) => {
    throw new Error(`it did not start:\n${said}`, { cause });
  });
}

test("the demo function runs in it, and answers the gateway's calls", async (t) => {
  const [gatewayPort, functionPort] = [await findFreePort(), await findFreePort()];
  const url = `http://127.0.0.1:${gatewayPort}`;
  const secret = "whsec_ZGVtbyBzZWNyZXQgb2YgdGhlIGNvbXBvc2UgZmlsZQ==";
  const env = {
    PORT: String(functionPort),
    SLUICE_SECRET: secret,
    SLUICE_URL: url,
    SLUICE_KEY: "k",
  };
  const words = ["node", "/app/examples/functions/node.ts"];
  await startBeside(t, words, env, `http://127.0.0.1:${functionPort}/`);
  const settings = {
    PORT: String(gatewayPort),
    SLUICE_UPSTREAM_URL: `http://127.0.0.1:${functionPort}/call`,
    SLUICE_UPSTREAM_SECRETS: secret,
  };
  await startBeside(t, image.entrypoint, settings, `${url}/readyz`);
  const client = newClient(url, { auth: { name: "Ada" } });
  t.after(() => client.disconnect());
  client.connect();
  await until(() => client.connected, "the function lets the client in");
  assert.equal(await client.emitWithAck("join", "tea"), "welcome to tea");
});

test("SIGTERM to process 1 ends it with exit code 0, and then the health check fails", async () => {
  assert.ok(child);
  const exit = once(child, "exit");
  signal(child, "TERM");
  const [code] = await exit;
  assert.equal(code, 0, log);
  const { code: health, text } = await outcome(image.healthcheck, { PORT: String(port) });
  assert.equal(health, 1, text);
  assert.match(text, /ECONNREFUSED/);
});
