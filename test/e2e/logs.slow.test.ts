/** What becomes of the real process when nobody takes its log lines. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient, sumMetric } from "../harness/gateway.ts";
import { SLUICE, startProcess, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

// A shell's pipe, disk or nothing for the standard output of what follows.
const shell = (script: string, args: readonly string[]) => ["sh", "-c", script, "sh", ...args];

async function start(t: TestContext, script: string, more: readonly string[] = []) {
  const port = await findFreePort();
  const args = ["--socket.host", "127.0.0.1", "--socket.port", String(port)];
  const drain = ["--socket.drainMs", "0"];
  const run = startProcess(t, shell(script, [...SLUICE, ...args, ...drain, ...more]));
  const url = `http://127.0.0.1:${port}`;
  const isUp = async () => {
    assert.equal(run.child.exitCode, null, run.output());
    return fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  await until(isUp, "the gateway is up", 30_000);
  const metric = async (name: string) =>
    sumMetric(await (await fetch(`${url}/metrics`)).text(), name);
  return { run, url, metric };
}

for (const [workers, more] of [
  ["", []],
  [" with workers", ["--cluster.workers", "2", "--socket.transports", "websocket"]],
] as const) {
  test(`SIGTERM ends a gateway whose log nobody reads any more${workers}, with exit 0`, async (t) => {
    // Seen: its port was closed, and it stayed for good, whatever signal came. pino's own output tried
    // the line of the stop again and again as the process was to exit.
    const args = ["--socket.port", "0", "--socket.host", "127.0.0.1", ...more];
    const run = startProcess(t, [...SLUICE, ...args]);
    await run.line("port");
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    run.child.kill("SIGTERM");
    assert.equal(await run.exit(), 0);
  });
}

test("a full disk under the log stops nothing, and the lines are counted", async (t) => {
  // Seen: it served nobody and did not exit, so that nothing started it again. A failed write was an
  // uncaught exception, and pino's own output then waited for the disk before the exit.
  const { run, metric } = await start(t, 'exec "$@" > /dev/full');
  assert.ok((await metric("sluice_log_lines_dropped_total")) > 0);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("with workers the lines that their primary could not write are counted, too", async (t) => {
  const workers = ["--cluster.workers", "2", "--socket.transports", "websocket"];
  const { run, metric } = await start(t, 'exec "$@" > /dev/full', workers);
  // Each worker says that it listens, and the primary that it has started them, for whom, and who handles events.
  const all = async () => (await metric("sluice_log_lines_dropped_total")) === 5;
  await until(all, "five lines");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("a reader of the log that is stuck holds up neither clients nor the stop", async (t) => {
  // Seen: SIGTERM ended nothing. A thread waited for the reader, and the exit for the thread.
  const pipe = join(testFolder(t), "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const more = ["--log.level", "debug", "--log.bufferBytesMax", "10000"];
  const { run, url, metric } = await start(t, `exec "$@" > ${pipe}`, more);
  // At this level every request of a trace is a line.
  const headers = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };
  const isFull = async () => {
    for (let n = 0; n < 20; n++) assert.ok((await fetch(`${url}/healthz`, { headers })).ok);
    return (await metric("sluice_log_lines_dropped_total")) > 0;
  };
  await until(isFull, "more lines than the pipe and the buffer hold", 60_000);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("a handler module may print when nobody reads", async (t) => {
  // Seen: the first line that it printed after the reader had gone ended the gateway and dropped its
  // clients. The failed write is an error of the stream, which nobody listened to.
  const module = join(testFolder(t), "prints.mjs");
  const print = "console.log('x'); console.error('x'); process.stdout.write('x');";
  const handler = `io.on("connection", (s) => s.on("print", (done) => { ${print} setTimeout(done, 50); }))`;
  writeFileSync(module, `export default (io) => { ${handler}; };`);
  const args = ["--socket.port", "0", "--socket.host", "127.0.0.1", "--handlers.module", module];
  const run = startProcess(t, [...SLUICE, ...args]);
  const { port } = await run.line("port");
  run.child.stdout?.destroy();
  run.child.stderr?.destroy();
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  for (let n = 0; n < 3; n++) await client.emitWithAck("print");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

for (const command of ["--settings", "--help", "doctor"]) {
  test(`sluice ${command} | head ends quietly`, async (t) => {
    // Seen: a stack trace and exit 1, as for a handler module that prints.
    const script = '{ "$@"; echo "exit $?" >&2; } | head -c 0';
    const run = startProcess(t, shell(script, [...SLUICE, command]));
    await run.exit();
    assert.equal(run.output(), "exit 0\n");
  });
}

test("sluice --settings on a full disk has failed", async (t) => {
  const run = startProcess(t, shell('exec "$@" > /dev/full', [...SLUICE, "--settings"]));
  assert.equal(await run.exit(), 1);
  assert.equal(run.output(), "");
});
