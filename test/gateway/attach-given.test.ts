/** What people who come from `new Server(httpServer)` give to `attach`, and what they are told. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { test } from "node:test";
import { Server } from "socket.io";
import { App, attach, mountHttp, SSLApp } from "../../src/gateway/attach.ts";
import { listen } from "../../src/host/listen.ts";
import { ask } from "../harness/http.ts";

const attachUnchecked = attach as (io: unknown, app?: unknown) => unknown;

test("attach says in one sentence what to do about what is no app", () => {
  const rows: [unknown, RegExp][] = [
    [undefined, /^attach takes an app of uWebSockets\.js, and not nothing: make one with App\(\)/],
    [
      createServer(),
      /and not an http\.Server: make one with App\(\) .* and give its handler to mountHttp/,
    ],
    [createHttp2(), /and not a server of node:https or node:http2: make one with App\(\)/],
    [() => {}, /and not an Express app or another function: .* give its handler to mountHttp/],
    [3000, /and not a number: make one with App\(\)/],
    [{}, /and not another object: make one/],
  ];
  for (const [app, message] of rows) {
    assert.throws(() => attachUnchecked(new Server(), app), { name: "TypeError", message });
  }
});

test("attach says in one sentence what to do about what is no server for it", () => {
  assert.throws(() => attachUnchecked(undefined, App()), /takes a Server of socket\.io first/);
  assert.throws(() => attachUnchecked(App(), new Server()), /takes a Server of socket\.io first/);
  const http = createServer();
  assert.throws(
    () => attachUnchecked(new Server(http), App()),
    /is attached to an http\.Server already: make it without, as new Server\(options\)/,
  );
});

test("App and SSLApp are those of the binary that was loaded", () => {
  assert.equal(typeof App().listen, "function");
  assert.throws(() => SSLApp({ key_file_name: "/nowhere", cert_file_name: "/nowhere" }));
});

test("mountHttp serves what the app has no route for, beside an attached server", async (t) => {
  const app = App();
  const io = new Server();
  const attached = attach(io, app);
  app.get("/own", (res) => void res.end("the app's"));
  const mounted = mountHttp(app, { http: (req, res) => res.end(`mine: ${req.url}`) });
  const door = await listen(app, { host: "127.0.0.1", port: 0 });
  t.after(async () => {
    door.close();
    mounted.stop();
    await io.close();
    attached.detach();
  });
  const url = `http://127.0.0.1:${door.port}`;
  assert.equal((await ask(`${url}/own`)).body, "the app's");
  assert.equal((await ask(`${url}/a?b`)).body, "mine: /a?b");
  assert.match((await ask(`${url}/socket.io/?EIO=4&transport=polling`)).body, /"sid"/);
  assert.deepEqual(mounted.samples(), { open: 0, ended: { "2xx": 1 } });
  await mounted.drain(1000);
  assert.equal((await ask(`${url}/a`)).status, 503);
  assert.throws(() => mountHttp(App(), {} as never), /takes \{ fetch \} or \{ http \}/);
});
