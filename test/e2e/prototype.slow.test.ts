/** Old libraries put things on Object.prototype, which `for…in` then lists for every object. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Server } from "socket.io";
import { attach } from "../../src/gateway/attach.ts";
import { startApp } from "../harness/app.ts";
import { newClient, testGateway, WAYS } from "../harness/gateway.ts";
import { startProcess, testFolder } from "../harness/process.ts";
import { next } from "../harness/wait.ts";

const KEY = "k".repeat(24);
// It has garbage collected while it loads: prom-client observes that where it may.
const MODULE = `
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
  export default (io) => {
    io.on("connection", (socket) => {
      socket.on("echo", (value, done) => done(value));
    });
  };`;

/** What is put there, when, and what it is. */
const PUT = {
  "a function, before anything is loaded": ["before", "() => 7"],
  "nothing, before anything is loaded": ["before", "null"],
  "a text, by the handler module": ["module", '"x"'],
  "nothing, by the handler module": ["module", "null"],
} as const;

for (const [name, [when, value]] of Object.entries(PUT)) {
  test(`Object.prototype holds ${name}: it starts and serves`, async (t) => {
    // Seen: "15 settings are not usable", 500 from the API and /metrics, and an exception for each
    // handshake. What for…in lists was taken for settings, labels and headers of the object itself.
    // A collection of garbage while the module was loaded ended the start, for the same reason.
    const folder = testFolder(t);
    const put = `Object.prototype.odd = ${value};\n`;
    const [before, module] = [join(folder, "before.mjs"), join(folder, "module.mjs")];
    writeFileSync(before, when === "before" ? put : "");
    writeFileSync(module, (when === "module" ? put : "") + MODULE);
    const args = [
      "--expose-gc",
      "--import",
      "tsx",
      "--import",
      before,
      "src/main.ts",
      "--socket.port",
      "0",
    ];
    const more = ["--socket.host", "127.0.0.1", "--handlers.module", module];
    const run = startProcess(t, [process.execPath, ...args, ...more, "--api.keys", `a:${KEY}`]);
    const { port } = await run.line("port");
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const command = JSON.stringify({ do: "emit", event: "news", args: [{ a: {} }] });
    const serves = async () => {
      for (const codec of ["json", "msgpack"] as const) {
        for (const transports of Object.values(WAYS)) {
          const client = newClient(url, { codec, transports: [...transports] });
          t.after(() => client.disconnect());
          await next(client.connect(), "connect");
          assert.deepEqual(await client.emitWithAck("echo", { a: [{}] }), { a: [{}] });
          const heard = next(client, "news");
          const body = { method: "POST", headers, body: command };
          assert.equal((await fetch(`${url}/v1/commands`, body)).status, 200);
          assert.deepEqual(await heard, [{ a: {} }]);
          client.disconnect();
        }
      }
      for (const path of ["/metrics", "/readyz", "/v1/openapi.json", "/v1/rooms"]) {
        const answer = await fetch(url + path, { headers });
        assert.equal(answer.status, 200, path);
        assert.doesNotMatch(await answer.text(), /\bodd\b/);
      }
    };
    await serves();
    run.child.kill("SIGTERM");
    assert.equal(await run.exit(), 0);
    assert.doesNotMatch(run.output(), /"level":50/);
  });
}

test("Object.prototype got something after Sluice was imported: startGateway and attach work", async (t) => {
  // Seen: "15 settings are not usable", though nobody gave any. To hide the names when zod is loaded is
  // not enough, where others load what puts them there after that.
  const put = (name: string) => Object.assign(Object.prototype, { [name]: null });
  t.after(() => {
    for (const name of ["first", "second"]) Reflect.deleteProperty(Object.prototype, name);
  });
  put("first");
  const gateway = await testGateway(t, { api: { keys: [`a:${KEY}`] } });
  assert.equal((await fetch(`${gateway.url}/metrics`)).status, 200);
  put("second");
  const { app, url, close } = await startApp();
  const io = new Server();
  const attached = attach(io, app);
  t.after(async () => {
    await io.close();
    attached.detach();
    close();
  });
  for (const at of [gateway.url, url]) {
    const client = newClient(at);
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
  }
});
