import assert from "node:assert/strict";
import { test } from "node:test";
import { createOutside } from "../../src/door/limits.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { until } from "../harness/wait.ts";
import { openSession } from "../harness/wire-io.ts";

test("as many connections as may be are outside, and whoever is so for ten seconds makes room", () => {
  let now = 0;
  const closed: number[] = [];
  const outside = createOutside(2, () => now);
  const connect = () => {
    const openedAt = now;
    const connection = { openedAt, closeAs: () => void closed.push(openedAt) };
    outside.add(connection);
    return connection;
  };
  const first = connect();
  now = 1;
  assert.equal(outside.isFull(), false);
  connect();
  assert.equal(outside.isFull(), true);
  outside.delete(first);
  assert.equal(outside.isFull(), false);
  now = 2;
  connect();
  now = 10_000;
  assert.deepEqual([outside.isFull(), outside.refuses(), closed], [true, true, []]);
  now = 10_001;
  assert.deepEqual([outside.refuses(), closed, outside.size], [false, [], 2]);
  assert.deepEqual([outside.isFull(), closed, outside.size], [false, [1], 1]);
});

// Seen: any number of connections could each hold an unfinished message of a megabyte before they
// were in a namespace. The old code counted them among all connections only.
test("connections outside are bounded: one more is refused until one of them has joined", async (t) => {
  const gateway = await testGateway(t, { limits: { outsideMax: 2 } });
  for (let n = 0; n < 3; n++) await gateway.connected();
  const first = await openSession(gateway.port, "websocket");
  const second = await openSession(gateway.port, "polling");
  t.after(() => {
    first.close();
    second.close();
  });
  assert.equal(await gateway.metric("sluice_connections_outside"), 2);
  const shake = () => ask(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
  const answer = await shake();
  assert.deepEqual([answer.status, JSON.parse(answer.body).code], [503, "LIMIT_OUTSIDE"]);
  const labels = { reason: "limit_outside" };
  assert.equal(await gateway.metric("sluice_handshakes_refused_total", labels), 1);
  await second.send("40");
  await until(
    async () => (await gateway.metric("sluice_connections_outside")) === 1,
    "one has joined",
  );
  assert.equal((await shake()).status, 200);
  first.close();
  await until(
    async () => (await gateway.metric("sluice_connections_outside")) === 1,
    "one has gone, the newest is there",
  );
});
