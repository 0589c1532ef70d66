// Seen: a timer of a handler that threw, or a promise nobody waited for, ended the gateway with a raw stack.
// The old code left both to Node.js, which ends a process for either.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { newClient, sumMetric, testGateway } from "../harness/gateway.ts";
import { NODE, ROOT, SLUICE, startProcess, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

/** Starts the gateway with a module whose listeners make mistakes that are nobody's, and one client. */
async function startMistaken(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const module = join(testFolder(t), "handlers.mjs");
  writeFileSync(
    module,
    `const boom = () => { throw new Error("boom"); };
     export default (io) => io.on("connection", (socket) => {
       socket.on("throws", boom);
       socket.on("timer", () => setTimeout(boom, 1));
       socket.on("promise", () => void Promise.reject(new Error("boom")));
       socket.on("echo", (value, ack) => ack(value));
     });`,
  );
  const process = startProcess(t, [...SLUICE, "--socket.port", "0"], {
    SLUICE_HANDLERS_MODULE: module,
    ...env,
  });
  const { port } = await process.line("port");
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  return { process, client, url: `http://127.0.0.1:${port}` };
}

test("the gateway's own process goes on when a handler's timer throws, or a promise rejects", async (t) => {
  const { process, client, url } = await startMistaken(t);
  client.emit("timer").emit("promise");
  const count = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return sumMetric(text, "sluice_handler_errors_total", { kind: "process" });
  };
  await until(async () => (await count()) === 2, "both are counted");
  const line = await process.line("stack");
  assert.equal(line.kind, "process");
  assert.match(String(line.stack), /^Error: boom\n +at .*handlers\.mjs/);
  assert.equal(await client.timeout(5000).emitWithAck("echo", 1), 1);
});

for (const event of ["throws", "timer", "promise"]) {
  test(`with handlers.onError exit a mistake ends the process: ${event}`, async (t) => {
    const { process, client } = await startMistaken(t, { SLUICE_HANDLERS_ON_ERROR: "exit" });
    client.emit(event);
    assert.equal(await process.exit(), 1);
    assert.match(process.output(), /Error: boom\n/);
  });
}

test("an embedded gateway listens to nothing of the process it is in", async (t) => {
  const names = ["uncaughtException", "unhandledRejection", "SIGTERM", "SIGINT", "SIGHUP", "exit"];
  const count = () => names.map((name) => process.listenerCount(name));
  const before = count();
  await testGateway(t);
  assert.deepEqual(count(), before);
});

/** Runs a module that says `port` once it listens, and connects a client to it. */
async function startScript(t: TestContext, text: string) {
  const script = join(testFolder(t), "script.mjs");
  const from = JSON.stringify(join(ROOT, "src")).slice(1, -1);
  const packages = JSON.stringify(join(ROOT, "node_modules/socket.io/wrapper.mjs"));
  writeFileSync(
    script,
    `import { Server } from ${packages};
     import { attach } from "${from}/gateway/attach.ts";
     import { startGateway } from "${from}/index.ts";
     import { loadNative } from "${from}/host/native.ts";
     const listen = (io) => io.on("connection", (socket) => {
       socket.on("throws", () => { throw new Error("boom"); });
       socket.on("echo", (value, ack) => ack(value));
     });
     ${text}`,
  );
  const process = startProcess(t, [...NODE, script]);
  const { port } = await process.line("port");
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  client.emit("throws");
  return { process, client };
}

test("under attach a mistake is its process's, as without Sluice", async (t) => {
  const { process } = await startScript(
    t,
    `const { uws } = loadNative();
     const io = new Server();
     const app = uws.App();
     attach(io, app);
     listen(io);
     app.listen("127.0.0.1", 0, (socket) =>
       console.log(JSON.stringify({ port: uws.us_socket_local_port(socket) })));`,
  );
  assert.equal(await process.exit(), 1);
  assert.match(process.output(), /Error: boom\n/);
});

test("an embedded gateway that was given no log says where a handler failed, and goes on", async (t) => {
  const { process, client } = await startScript(
    t,
    `const { io, port } = await startGateway({ socket: { host: "127.0.0.1", port: 0 } });
     listen(io);
     console.log(JSON.stringify({ port }));`,
  );
  await process.said("Error: boom");
  assert.equal(await client.timeout(5000).emitWithAck("echo", 1), 1);
});
