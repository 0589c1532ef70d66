import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "socket.io";
import { attach } from "../../src/attach.ts";
import { startApp } from "../harness/app.ts";
import { testGateway } from "../harness/gateway.ts";
import { next } from "../harness/wait.ts";

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
