import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { until } from "../harness/wait.ts";
import { connectAll } from "./company.ts";
import { startTwoRigs } from "./rig.ts";

const KINDS = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "json", way: "polling" },
] as const;

/** Two attached servers whose adapters, Socket.IO's own cluster ones, share a bus in this process. */
async function gather(t: TestContext) {
  const nodes = await startTwoRigs(t);
  const companies = [await connectAll(nodes[0], KINDS), await connectAll(nodes[1], KINDS)] as const;
  const settled = async () => {
    // The bus adapter publishes before it delivers, in a tick of its own.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(companies.map((company) => company.settled()));
  };
  return { nodes, companies, settled };
}

test("cluster adapters deliver through topics on every node", async (t) => {
  const { nodes, companies, settled } = await gather(t);
  const [here, there] = companies;
  for (const { sockets } of companies) sockets[0]?.join("r");
  here.sockets[1]?.join(["r", "s"]);
  there.sockets[2]?.join(["r", "s"]);
  const before = nodes.map((node) => node.published());
  nodes[0].io.emit("m", "all");
  here.sockets[0]?.to("r").emit("m", "room");
  nodes[0].io.to(["r", "s"]).except("s").emit("m", "rest");
  nodes[0].io.local.emit("m", "local");
  await settled();
  assert.deepEqual(
    companies.map(({ inboxes }) => inboxes.map((inbox) => inbox.flat().join())),
    [
      // `local` needs no other node, so it goes out before what is published first.
      ["local,all,rest", "local,all,room", "local,all"],
      ["all,room,rest", "all", "all,room"],
    ],
  );
  const published = nodes.map((node, i) => node.published() - (before[i] ?? 0));
  assert.deepEqual(published, [6, 4]);
  assert.deepEqual(
    nodes.map((node) => node.deliveries()),
    [8, 6],
  );
});

test("broadcasts with ack reach both nodes, and neither keeps what is not answered", async (t) => {
  const { nodes, companies } = await gather(t);
  for (const [at, { clients }] of companies.entries()) {
    for (const [i, client] of clients.entries()) {
      const { seen } = client;
      client.seen = (packet) => {
        seen(packet);
        const silent = at === 1 && i === 2;
        if (packet.id === undefined || silent) return;
        client.send({ type: 3, nsp: "/", id: packet.id, data: [`${at}${i}`] });
      };
    }
  }
  await assert.rejects(
    nodes[0].io.timeout(300).emitWithAck("ask"),
    (error: Error & { responses: string[] }) => {
      assert.deepEqual(error.responses.sort(), ["00", "01", "02", "10", "11"]);
      return true;
    },
  );
  const [here, there] = nodes.map((node) => node.attached.samples().fanout);
  await until(() => there?.acksPending === 0, "the other node gives up too");
  assert.deepEqual([here?.acksMissed, there?.acksMissed], [0, 1]);
});
