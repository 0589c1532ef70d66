import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import type { PartialSettings } from "../../src/core/settings.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

test("a broadcast with ack gathers every answer, from both codecs and transports", async (t) => {
  const { gateway } = await gather(t);
  const answers = await gateway.io.timeout(5000).emitWithAck("ask", Buffer.from("?"));
  assert.deepEqual(answers.sort(), ["ann", "bob", "cat"]);
  assert.equal(await gateway.metric("sluice_fanout_acks_pending"), 0);
  assert.equal(await gateway.metric("sluice_deliveries_total"), 3);
});

test("who doesn't answer is missing after the timeout, and nothing is kept for it", async (t) => {
  const { gateway, bob, sockets } = await gather(t);
  bob.off("ask");
  const asked = gateway.io.timeout(2000).emitWithAck("ask");
  assert.equal(await gateway.metric("sluice_fanout_acks_pending"), 3);
  await assert.rejects(asked, (error: Error & { responses: string[] }) => {
    assert.deepEqual(error.responses.sort(), ["ann", "cat"]);
    return true;
  });
  const missed = () => gateway.metric("sluice_fanout_acks_missed_total");
  await until(async () => (await missed()) === 1, "the missing answer is given up");
  assert.equal(await gateway.metric("sluice_fanout_acks_pending"), 0);
  for (const socket of sockets()) assert.equal(socket.acks.size, 0);
});

test("a broadcast with ack to nobody is answered at once", async (t) => {
  const { gateway } = await gather(t);
  assert.deepEqual(await gateway.io.to("none").timeout(5000).emitWithAck("ask"), []);
});

test("acknowledgements up to fanout.acksPendingMax are awaited, one more is refused", async (t) => {
  const { gateway } = await gather(t, { fanout: { acksPendingMax: 5 } });
  const first = gateway.io.timeout(5000).emitWithAck("ask");
  const tooMany = assert.rejects(gateway.io.timeout(50).emitWithAck("ask"), /timed out/);
  const fits = gateway.io.to(["ann", "bob"]).timeout(5000).emitWithAck("ask");
  assert.equal((await first).length, 3);
  assert.equal((await fits).length, 2);
  await tooMany;
  assert.equal(await gateway.metric("sluice_fanout_acks_refused_total"), 1);
  assert.equal(await gateway.metric("sluice_deliveries_total"), 5);
});

/** Three clients that answer `ask` with their names, each in a room of that name. */
async function gather(t: TestContext, settings: PartialSettings = {}) {
  const gateway = await testGateway(t, settings);
  gateway.io.on("connection", (socket) => socket.join(socket.handshake.auth.name));
  const named = async (name: string, options: object): Promise<Client> => {
    const client = await gateway.connected({ ...options, auth: { name } });
    client.on("ask", (...given) => given.at(-1)(name));
    return client;
  };
  const [, bob] = [
    await named("ann", { codec: "msgpack" }),
    await named("bob", { codec: "json" }),
    await named("cat", { codec: "json", transports: [...WAYS.polling] }),
  ];
  // `acks` is private to TypeScript only, and nothing else shows what a socket still awaits.
  const sockets = () =>
    [...gateway.io.sockets.sockets.values()] as unknown as { acks: Map<number, unknown> }[];
  return { gateway, bob: bob as Client, sockets };
}
