/** What `npm run build` makes of the process: one bundle, beside the packages it shares with handlers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { type ClientOptions, newClient, sumMetric } from "../harness/gateway.ts";
import { ROOT, startProcess, type TestProcess, testFolder } from "../harness/process.ts";
import { testRedis } from "../harness/redis.ts";
import { signToken, TOKEN_SECRET } from "../harness/tokens.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

// Packages are found from here as they are from the project's own dist/.
const folder = mkdtempSync(join(ROOT, "node_modules", ".built-"));
const main = join(folder, "dist", "main.js");

before(() => {
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  const words = ["--import", "tsx", "build.ts", ROOT, join(folder, "dist")];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

after(() => rmSync(folder, { recursive: true, force: true }));

interface Built extends TestProcess {
  readonly url: string;
  connected(options?: ClientOptions): Promise<ReturnType<typeof newClient>>;
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

async function start(t: TestContext, args: string[] = [], env = {}): Promise<Built> {
  const words = ["--socket.host", "127.0.0.1", "--socket.drainMs", "0", ...args];
  const port = args.includes("--socket.port") ? [] : ["--socket.port", "0"];
  const run = startProcess(t, [process.execPath, main, ...words, ...port], env);
  const url = `http://127.0.0.1:${(await run.line("port")).port}`;
  return {
    ...run,
    url,
    async connected(options) {
      const client = newClient(url, options);
      t.after(() => client.disconnect());
      await next(client.connect(), "connect");
      return client;
    },
    async metric(name, labels) {
      return sumMetric(await (await fetch(`${url}/metrics`)).text(), name, labels);
    },
  };
}

async function stop(run: Built): Promise<void> {
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0, run.output());
}

test("compiled code is kept beside the process, and a start does without where it cannot be", async (t) => {
  const kept = join(folder, "dist", "compile-cache");
  rmSync(kept, { recursive: true, force: true });
  writeFileSync(kept, "in the way of the folder");
  await stop(await start(t));
  rmSync(kept);
  await stop(await start(t));
  assert.equal(existsSync(kept), "enableCompileCache" in module, "from Node.js 22.8 on");
  const again = await start(t);
  await again.connected();
  await stop(again);
});

test("the page of the console is part of the build: nothing is bundled at run time", async (t) => {
  const run = await start(t);
  for (const name of ["page.html", "page.css", "page.js", "client.js"]) {
    const built = readFileSync(join(folder, "dist", "console-page", name), "utf8");
    assert.equal(await (await fetch(`${run.url}/console/${name}`)).text(), built, name);
  }
  const [, key = ""] = /console#key=([\w-]+)/.exec(run.output()) ?? [];
  const headers = { authorization: `Bearer ${key}` };
  const about = await (await fetch(`${run.url}/console/about`, { headers })).json();
  assert.equal(about.isChat, true);
  await stop(run);
});

test("without settings the chat runs, and its version is the package's", async (t) => {
  const run = await start(t);
  const [one, two] = await Promise.all([run.connected(), run.connected({ codec: "json" })]);
  for (const client of [one, two]) await client.emitWithAck("join", "lobby");
  const heard = next<[{ text: string }]>(two, "message");
  await one.emitWithAck("message", "lobby", "hello");
  assert.equal((await heard)[0].text, "hello");
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal(await run.metric("sluice_build_info", { version }), 1);
  await stop(run);
});

/** Writes a handler module of two files, with syntax that has to be compiled; returns its path. */
function writeTypeScript(t: TestContext, type: "module" | "commonjs"): string {
  const project = testFolder(t);
  writeFileSync(join(project, "package.json"), JSON.stringify({ type }));
  writeFileSync(join(project, "words.ts"), "export enum Word { Hello = 'hello' }\n");
  writeFileSync(
    join(project, "app.ts"),
    `import type { HandlerModule } from "sluice";
    import { Word } from "./words.js";
    const app: HandlerModule = (io) =>
      void io.on("connection", (one) => one.on("ask", (done: (word: Word) => void) => done(Word.Hello)));
    export default app;`,
  );
  mkdirSync(join(project, "node_modules"));
  symlinkSync(join(ROOT, "node_modules", "tsx"), join(project, "node_modules", "tsx"));
  return join(project, "app.ts");
}

for (const [type, workers] of [
  ["module", []],
  ["commonjs", ["--cluster.workers", "2", "--socket.transports", "websocket"]],
] as const) {
  const where = workers.length > 0 ? "in workers" : "in one process";
  test(`a handler module in TypeScript, type ${type}, runs by the tsx beside it, ${where}`, async (t) => {
    const app = writeTypeScript(t, type);
    const run = await start(t, ["--handlers.module", app, ...workers]);
    const client = await run.connected();
    assert.equal(await client.emitWithAck("ask"), "hello");
    await stop(run);
  });
}

test("TypeScript that this Node.js cannot load ends the start with what to install", async (t) => {
  // An enum has code of its own: newer ones, which take types out, cannot load it either.
  const app = join(testFolder(t), "app.ts");
  writeFileSync(app, "enum Word { Hello = 'hello' }\nexport default () => void Word.Hello;\n");
  const run = startProcess(t, [process.execPath, main, "--handlers.module", app]);
  assert.equal(await run.exit(), 1);
  assert.match(
    run.output(),
    /^sluice: handlers.module \S+app.ts is TypeScript that Node.js \S+ cannot/m,
  );
  assert.match(run.output(), /: install tsx in its project \(npm i -D tsx\), or compile it$/m);
});

/** A handler module with an adapter of its own; it says whose classes the gateway's objects are. */
const HANDLER = `function handle(io) {
  let broadcasts = 0;
  io.adapter(class extends Adapter {
    broadcast(packet, options) {
      broadcasts++;
      super.broadcast(packet, options);
    }
  });
  io.on("connection", (socket) => {
    socket.on("look", (answer) => {
      const { adapter } = io.of("/");
      answer([io instanceof Server, socket instanceof Socket, adapter instanceof Adapter, broadcasts]);
    });
    socket.on("say", (text, answer) => {
      socket.broadcast.emit("said", text);
      answer();
    });
  });
}`;
const MODULES = {
  "handler.mjs": `import { Server, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
export default ${HANDLER}`,
  "handler.cjs": `const { Server, Socket } = require("socket.io");
const { Adapter } = require("socket.io-adapter");
module.exports = ${HANDLER}`,
};

for (const [name, text] of Object.entries(MODULES)) {
  test(`${name} shares the gateway's Socket.IO: its adapter delivers natively`, async (t) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    const run = await start(t, ["--handlers.module", path]);
    const [one, two] = await Promise.all([run.connected(), run.connected()]);
    const heard = next(two, "said");
    await one.emitWithAck("say", "hello");
    assert.deepEqual(await heard, ["hello"]);
    assert.deepEqual(await one.emitWithAck("look"), [true, true, true, 1]);
    // Counted where Sluice delivers; an adapter of another copy would have sent it by itself.
    assert.equal(await run.metric("sluice_deliveries_total"), 1);
    await stop(run);
  });
}

/** A handler module that connects to other nodes by itself. */
const REDIS_HANDLER = `import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import chat from ${JSON.stringify(join(folder, "dist", "examples", "chat.js"))};
export default async (io) => {
  const [pub, sub] = [new Redis(process.env.REDIS_URL), new Redis(process.env.REDIS_URL)];
  io.adapter(createAdapter(pub, sub));
  await new Promise((resolve) => sub.once("ready", resolve));
  chat(io);
};`;

test("two processes share rooms through Redis, by a setting or by their handlers", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { url } = await testRedis(t);
  const path = join(folder, "redis.mjs");
  writeFileSync(path, REDIS_HANDLER);
  for (const args of [
    ["--cluster.redisUrl", url],
    ["--handlers.module", path],
  ]) {
    const env = { REDIS_URL: url };
    const [one, two] = await Promise.all([start(t, args, env), start(t, args, env)]);
    const [from, to] = await Promise.all([one.connected(), two.connected()]);
    await Promise.all([from, to].map((client) => client.emitWithAck("join", "lobby")));
    const heard: string[] = [];
    to.on("message", ({ text }) => heard.push(text));
    // A handler's own adapter may still be subscribing when its process listens.
    const said = async () => {
      await from.emitWithAck("message", "lobby", "hello");
      return heard.length > 0;
    };
    await until(said, `a message crosses with ${args[0]}`);
    const least = heard.length;
    assert.ok((await two.metric("sluice_deliveries_total")) >= least, "they are native");
    await Promise.all([stop(one), stop(two)]);
  }
});

test("workers run the same file, and share the port", async (t) => {
  const port = String(await findFreePort());
  const args = ["--cluster.workers", "2", "--socket.transports", "websocket"];
  const run = await start(t, [...args, "--socket.port", port]);
  await until(() => run.output().match(/listening on port/g)?.length === 2, "two workers", 30_000);
  const clients = await Promise.all(Array.from({ length: 8 }, () => run.connected()));
  const heard: string[] = [];
  for (const client of clients) {
    client.on("message", ({ text }) => heard.push(text));
    await client.emitWithAck("join", "lobby");
  }
  await clients[0]?.emitWithAck("message", "lobby", "hello");
  await until(() => heard.length >= 7, "the others, whichever worker has them");
  assert.equal(await run.metric("sluice_connections"), 8);
  await stop(run);
});

test("a function answers events, tokens are checked, and the API describes itself", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: ["from the function"] } }));
  const env = {
    SLUICE_UPSTREAM_URL: fn.url,
    SLUICE_UPSTREAM_CALLS: "event",
    SLUICE_UPSTREAM_SECRETS: SECRET,
    SLUICE_AUTH_MODE: "jwt",
    SLUICE_AUTH_SECRET: TOKEN_SECRET,
  };
  const run = await start(t, [], env);
  const token = await signToken({ sub: "ada", exp: Math.floor(Date.now() / 1000) + 600 });
  const client = await run.connected({ auth: { token } });
  assert.equal(await client.emitWithAck("ask", 1), "from the function");
  const other = newClient(run.url, { auth: { token: `${token}x` } });
  const [refused] = await next<[{ data: { code: string } }]>(other.connect(), "connect_error");
  assert.equal(refused.data.code, "AUTH_INVALID");
  const api = await (await fetch(`${run.url}/v1/openapi.json`)).json();
  assert.equal((api as { openapi: string }).openapi, "3.1.0");
  await stop(run);
});

test("a function's calls are shown and recorded, and sent again", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: ["from the function"] } }));
  const recording = join(folder, "calls.ndjson");
  const env = { SLUICE_SECRET: SECRET, SLUICE_KEY: "0123456789abcdef" };
  const words = ["--function", fn.url, "--record", recording, "--upstream.calls", "event"];
  const ports = ["--socket.host", "127.0.0.1", "--socket.port", "0"];
  const dev = startProcess(t, [process.execPath, main, "dev", ...words, ...ports], env);
  await dev.said("calls are recorded");
  const client = newClient(/gateway (\S+),/.exec(dev.output())?.[1] ?? "");
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  assert.equal(await client.emitWithAck("ask", 1), "from the function");
  await dev.said('ack("from the function")');
  const replay = startProcess(t, [process.execPath, main, "replay", recording], env);
  assert.equal(await replay.exit(), 0, replay.output());
  assert.match(replay.output(), /ask\(1\)[\s\S]*ack\("from the function"\)/);
  dev.child.kill("SIGINT");
  assert.equal(await dev.exit(), 0, dev.output());
});

test("the doctor looks for Redis, and a mistake is one sentence without a stack", async (t) => {
  const nobody = `redis://127.0.0.1:${await findFreePort()}`;
  const doctor = startProcess(t, [process.execPath, main, "doctor", "--cluster.redisUrl", nobody]);
  assert.equal(await doctor.exit(), 1);
  assert.match(doctor.output(), /uWebSockets\.js \d+/);
  assert.match(doctor.output(), /^bad {3}cluster\.redisUrl: /m);
  const run = startProcess(t, [process.execPath, main, "--socket.prot", "1"]);
  assert.equal(await run.exit(), 78);
  assert.match(run.output(), /^sluice: /m);
  assert.doesNotMatch(run.output(), /\n\s+at /);
});
