import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { JWT, signToken } from "../harness/tokens.ts";
import { next, until } from "../harness/wait.ts";

const places = ["auth", "header", "query"] as const;

for (const [way, transports] of Object.entries(WAYS)) {
  test(`an application may discard requests, as Socket.IO's memory page has it (${way})`, async (t) => {
    // Seen: with `auth.mode: jwt` the first client that joined a namespace ended the process. Its
    // token was looked for in the connection's request, which the application had discarded.
    const told = await startFunction(t);
    const gateway = await testGateway(t, {
      auth: { ...JWT, tokenFrom: [...places], tokenName: "token" },
      recovery: { windowMs: 10_000 },
      upstream: { url: told.url, secrets: [SECRET] },
    });
    gateway.io.of("/second");
    gateway.io.engine.on("connection", (raw: { request: unknown }) => {
      raw.request = null;
    });
    const token = await signToken({ sub: "ann" });
    for (const place of places) {
      const client = await gateway.connected({
        transports: [...transports],
        ...(place === "auth" && { auth: { token } }),
        ...(place === "header" && { headers: { authorization: `Bearer ${token}` } }),
        ...(place === "query" && { query: { token } }),
      });
      const auth = place === "auth" ? { auth: { token } } : {};
      await next(client.io.socket("/second", auth).connect(), "connect");
      const [socket] = await gateway.io.of("/second").fetchSockets();
      assert.equal(socket?.data.userId, "ann");
      assert.equal(socket?.handshake.address, "127.0.0.1");
      assert.deepEqual(socket?.handshake.headers, {});
      assert.deepEqual(await client.emitWithAck("asked", place), undefined);
      const heard = next(client, "news");
      gateway.io.emit("news", place);
      await heard;
      const { id } = client;
      client.io.engine.close();
      await until(async () => (await gateway.io.fetchSockets()).length === 0, "it is gone");
      await next(client.connect(), "connect");
      assert.deepEqual([client.recovered, client.id], [true, id]);
      client.io._close();
      await until(() => gateway.io.engine.clientsCount === 0, "all of it left");
    }
    const types = told.received.map(({ headers }) => headers["ce-type"]);
    assert.ok(types.includes("io.sluice.event") && types.includes("io.sluice.connect"));
  });
}
