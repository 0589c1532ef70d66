/** What signals do to the real process, from its start on. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newClient } from "../harness/gateway.ts";
import { SLUICE, startProcess, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} closes cleanly: clients hear of it, the port is free, exit 0`, async (t) => {
    const args = ["--socket.port", "0", "--socket.host", "127.0.0.1", "--socket.drainMs", "100"];
    const run = startProcess(t, [...SLUICE, ...args]);
    const { port } = await run.line("port");
    const client = newClient(`http://127.0.0.1:${port}`);
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    const gone = next<[string]>(client, "disconnect");
    run.child.kill(signal);
    assert.deepEqual((await gone)[0], "transport close");
    assert.equal(await run.exit(), 0);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
  });
}

test("a signal that comes during the start ends it, with exit 0", async (t) => {
  // Seen: in a container it was ignored until the platform killed the process. Signals were heard
  // only once it listened, and the first process of a container has no default for them.
  const folder = testFolder(t);
  const module = join(folder, "waits.mjs");
  writeFileSync(
    module,
    `console.log(JSON.stringify({ waiting: true }));
    await new Promise((go) => setTimeout(go, 60_000));
    export default () => {};`,
  );
  const run = startProcess(t, [...SLUICE, "--socket.port", "0", "--handlers.module", module]);
  await run.line("waiting");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

test("a certificate's renewal during the start does not end it, and is looked at after it", async (t) => {
  // Seen: the process was gone, and systemd takes that for a stop. SIGHUP was heard once it listened.
  const module = join(testFolder(t), "waits.mjs");
  writeFileSync(
    module,
    `console.log(JSON.stringify({ waiting: true }));
    const alive = setInterval(() => {}, 1000);
    await new Promise((go) => process.once("SIGHUP", go));
    clearInterval(alive);
    export default () => {};`,
  );
  const run = startProcess(t, [...SLUICE, "--socket.port", "0", "--handlers.module", module]);
  await run.line("waiting");
  run.child.kill("SIGHUP");
  await run.line("port");
  const told = () => run.output().includes("there is no certificate to reload");
  await until(told, "the reload");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
});

// Seen with npm start: a Ctrl-C ended it with 1 and without a drain where the shell between them becomes the
// process itself, since the terminal tells all and npm tells its own; else SIGTERM ended npm and the shell alone.
for (const [signal, whom] of [
  ["SIGINT", -1],
  ["SIGTERM", 1],
] as const) {
  test(`npm start is stopped by ${signal}, once: what there is drains`, async (t) => {
    const run = startProcess(t, ["npm", "start", "--", "--socket.port", "0"], {
      SLUICE_SOCKET_HOST: "127.0.0.1",
      SLUICE_SOCKET_DRAIN_MS: "300",
    });
    const { port } = await run.line("port");
    const client = newClient(`http://127.0.0.1:${port}`);
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    // A terminal's goes to all of them, any other to npm alone.
    process.kill(whom * Number(run.child.pid), signal);
    assert.equal(await run.exit(), 0);
    assert.match(run.output(), /"stopped"/);
  });
}

test("a second signal ends a drain, with exit 1", async (t) => {
  const args = ["--socket.port", "0", "--socket.host", "127.0.0.1", "--socket.drainMs", "3600000"];
  const run = startProcess(t, [...SLUICE, ...args]);
  const { port } = await run.line("port");
  const client = newClient(`http://127.0.0.1:${port}`);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  const isOver = () => run.child.exitCode !== null || !run.child.kill("SIGTERM");
  await until(isOver, "the end of a drain of an hour");
  assert.equal(await run.exit(), 1);
});
