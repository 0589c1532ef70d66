import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "socket.io";
import { attach } from "../../src/gateway/attach.ts";
import { startApp } from "../harness/app.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask, UPGRADE } from "../harness/http.ts";
import { NODE, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

test("a handshake that waited for allowRequest is refused once a stop has begun", async (t) => {
  // Seen: 200 in the middle of a drain. Only requests that came after its start were refused, not
  // those whose asynchronous check ended after it.
  const gateway = await testGateway(t, { socket: { drainMs: 500 } });
  await gateway.connected();
  const waiting: (() => void)[] = [];
  const { opts } = gateway.io.engine as unknown as { opts: Record<string, unknown> }; // documented
  opts.allowRequest = (_: unknown, done: (error: null, allowed: boolean) => void) => {
    waiting.push(() => done(null, true));
  };
  const asked = fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
  await until(() => waiting.length === 1, "the question");
  const stopped = gateway.stop();
  waiting[0]?.();
  const answer = await asked;
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "1"]);
  await stopped;
});

for (const transport of ["polling", "websocket"] as const) {
  test(`handshakes that wait together do not exceed a limit on connections (${transport})`, async (t) => {
    // Seen: twenty connections where three were allowed. They were counted when they had passed an
    // asynchronous check, and compared with the limit only before it.
    const gateway = await testGateway(t, { limits: { addressConnectionsMax: 3 } });
    const waiting: (() => void)[] = [];
    gateway.io.engine.use((_req: unknown, _res: unknown, go: () => void) => waiting.push(go));
    const url = `${gateway.url}/socket.io/?EIO=4&transport=${transport}`;
    const headers = transport === "websocket" ? UPGRADE : {};
    const asked = Array.from({ length: 10 }, () => ask(url, { headers }));
    await until(() => waiting.length === 10, "all of them wait");
    for (const go of waiting) go();
    const refused = (await Promise.all(asked)).filter(({ status }) => status === 429);
    assert.equal(refused.length, 7);
    for (const { headers } of refused) assert.ok(Number(headers["retry-after"]) >= 5);
    const reason = "limit_address_connections";
    assert.equal(await gateway.metric("sluice_handshakes_refused_total", { reason }), 7);
  });
}

test("a generateId that fails refuses the request, and no more", async (t) => {
  // Seen: the process ended with an unhandled rejection. The handshake did not expect an
  // application's own generateId to throw.
  const gateway = await testGateway(t);
  const engine = gateway.io.engine as unknown as { generateId(): Promise<string> }; // documented
  const { generateId } = engine;
  engine.generateId = () => Promise.reject(new Error("no more ids"));
  const told = next<[{ context: { name: string } }]>(gateway.io.engine, "connection_error");
  const answer = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
  assert.deepEqual([answer.status, (await answer.json()).code], [400, 3]);
  assert.equal((await told)[0].context.name, "ID_GENERATION_ERROR");
  const client = gateway.client();
  await next(client.connect(), "connect_error");
  engine.generateId = generateId;
  assert.ok((await gateway.connected()).connected);
});

for (const [title, cookie, says] of [
  ["as engine.io completes it", true, /^io=([^;]+); Path=\/; HttpOnly; SameSite=Lax$/],
  ["with its own attributes", { name: "node", maxAge: 9 }, /^node=([^;]+); Max-Age=9; Path=\/;/],
] as const) {
  test(`a server's cookie option is kept, ${title}`, async (t) => {
    // Seen: no Set-Cookie, so a balancer that goes by it scattered a session's polls. The handshake
    // here is Sluice's own, and had left the option out.
    const at = await startApp();
    const io = new Server({ cookie });
    const attached = attach(io, at.app);
    t.after(async () => {
      await io.close();
      attached.detach();
      at.close();
    });
    const answer = await fetch(`${at.url}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse((await answer.text()).slice(1)) as { sid: string };
    const [header = ""] = answer.headers.getSetCookie();
    assert.match(header, says);
    assert.equal(says.exec(header)?.[1], sid);
    const poll = fetch(`${at.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    io.engine.close();
    assert.deepEqual((await poll).headers.getSetCookie(), []);
  });
}

test("a middleware that takes its time loses no long-polling payload, whatever its size", async (t) => {
  // Seen: a POST was never answered and no polling client could connect. uWebSockets.js throws a
  // body away that arrives before anybody listens, and the middleware had not ended yet.
  const gateway = await testGateway(t);
  gateway.io.engine.use((_req: unknown, _res: unknown, go: () => void) => setTimeout(go, 30));
  gateway.io.on("connection", (socket) => socket.on("echo", (x, done) => done(x)));
  for (const codec of ["msgpack", "json"] as const) {
    const client = await gateway.connected({ codec, transports: ["polling"] });
    assert.equal(await client.emitWithAck("echo", "hello"), "hello");
    const big = "x".repeat(300_000);
    assert.equal(await client.emitWithAck("echo", big), big);
    client.disconnect();
  }
});

test("a refusal after a middleware that took its time is written as uWebSockets.js wants it", async (t) => {
  // Seen: a warning of uWebSockets.js on stderr for every such request. It corks an answer by itself
  // only until the first asynchronous step, and engine.io writes these outside a cork of its own.
  const script = `
    const { startGateway } = await import("./src/index.ts");
    const gateway = await startGateway({ socket: { port: 0, host: "127.0.0.1", drainMs: 0 } });
    gateway.io.engine.use((_req, _res, go) => setTimeout(go, 5));
    const url = gateway.url + "/socket.io/?EIO=4&transport=polling";
    const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1));
    const headers = { "content-type": "application/octet-stream" };
    const { status } = await fetch(url + "&sid=" + sid, { method: "POST", headers, body: "x" });
    await gateway.stop();
    console.log(JSON.stringify({ status }));
  `;
  const run = startProcess(t, [...NODE, "--input-type=module", "--eval", script]);
  assert.equal(await run.exit(), 0);
  assert.equal(run.output().trim(), JSON.stringify({ status: 400 }));
});

test("a payload of bytes of an Engine.IO 3 client over long-polling is read as bytes", async (t) => {
  // Seen: its attachments reached no listener. The payload was made a text before it was decoded.
  const gateway = await testGateway(t, { socket: { allowEio3: true }, codec: { accept: "json" } });
  const heard = new Promise<Buffer>((resolve) => {
    gateway.io.on("connection", (socket) => socket.on("bytes", resolve));
  });
  const path = `${gateway.url}/socket.io/?EIO=3&transport=polling`;
  const open = await (await fetch(path)).text();
  const { sid } = JSON.parse(open.slice(open.indexOf("{"), open.indexOf("}") + 1));
  const text = '451-["bytes",{"_placeholder":true,"num":0}]';
  // Protocol 3, "Payload": kind, digits of the length, 255, data; a message's type is 4 in both.
  const body = Buffer.from([0, 4, 3, 255, ...Buffer.from(text), 1, 4, 255, 4, 0, 250, 255]);
  const headers = { "content-type": "application/octet-stream" };
  assert.equal(text.length, 43);
  const posted = await fetch(`${path}&sid=${sid}`, { method: "POST", headers, body });
  assert.equal(await posted.text(), "ok");
  assert.deepEqual([...(await heard)], [0, 250, 255]);
  await fetch(`${path}&sid=${sid}`, { method: "POST", body: "1:1" });
});
