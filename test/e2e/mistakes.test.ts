// Seen: a timer of a handler that threw, or a promise nobody waited for, ended the gateway with a raw stack.
// The old code left both to Node.js, which ends a process for either.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { newClient, sumMetric, testGateway } from "../harness/gateway.ts";
import { startProcess, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const SLUICE = [process.execPath, "--import", "tsx", "src/main.ts"];

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
