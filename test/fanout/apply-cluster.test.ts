import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";
import { createExecutor } from "../../src/fanout/apply.ts";
import { createMemoryDelays } from "../../src/fanout/delays.ts";
import { createSamples } from "../../src/fanout/samples.ts";
import { connectClient, watchClient } from "../harness/clients.ts";
import { until } from "../harness/wait.ts";
import { startTwoRigs } from "./rig.ts";

/** An executor on each of two nodes whose adapters share a bus in this process. */
async function gather(t: TestContext, ackSocketsMax = 100) {
  const nodes = await startTwoRigs(t);
  const limits = { ...readSettings({}).fanout, ackSocketsMax };
  const delays = createMemoryDelays(limits);
  const executor = createExecutor(limits, { server: nodes[0].io, acks: createSamples(), delays });
  const urls = nodes.map(({ port }) => `http://127.0.0.1:${port}`);
  const [here, there] = [
    await watchClient(urls[0] ?? ""),
    await watchClient(urls[1] ?? "", "msgpack"),
  ];
  t.after(() => {
    here.socket.disconnect();
    there.socket.disconnect();
  });
  return { nodes, executor, urls, here, there };
}

test("commands reach every node: emit, join, leave, fetch, rooms, disconnect", async (t) => {
  const { executor, here, there } = await gather(t);
  const ids = [here.socket.id ?? "", there.socket.id ?? ""].sort();
  await executor.apply([{ do: "socketsJoin", rooms: ["r"] }], "api");
  await executor.apply(
    [
      { do: "emit", to: ["r"], event: "both", args: [1] },
      { do: "emit", to: [there.socket.id ?? ""], event: "there" },
    ],
    "api",
  );
  await until(() => here.seen.length === 1 && there.seen.length === 2, "the events");
  assert.deepEqual(there.seen, [["both", 1], ["there"]]);
  const [found] = await executor.apply([{ do: "fetchSockets", in: ["r"] }], "api");
  assert.deepEqual(found?.ok && found.sockets?.map((socket) => socket.id), ids);
  assert.deepEqual(found?.ok && found.sockets?.map((socket) => [...socket.rooms].sort()), [
    [ids[0], "r"].sort(),
    [ids[1], "r"].sort(),
  ]);
  assert.deepEqual(await executor.rooms("/", { limit: 10 }), {
    items: [{ room: "r", sockets: 2 }],
  });
  await executor.apply([{ do: "disconnectSockets", in: [there.socket.id ?? ""] }], "api");
  await until(() => there.socket.disconnected, "the other node's socket is disconnected");
  assert.equal(here.socket.connected, true);
});

test("emitWithAck names who answered and who did not, on every node", async (t) => {
  const { executor, urls, here, there } = await gather(t, 3);
  here.socket.on("ask", (done: (answer: string) => void) => done("here"));
  there.socket.on("ask", (done: (answer: string) => void) => done("there"));
  const silent = await connectClient(urls[1] ?? "");
  t.after(() => silent.disconnect());
  const ask = { do: "emitWithAck", event: "ask", timeoutMs: 2000 } as const;
  const [answer] = await executor.apply([ask], "api");
  assert.ok(answer?.ok);
  assert.deepEqual(
    new Map(answer.answers?.map((one) => [one.id, one.answer])),
    new Map([
      [here.socket.id ?? "", "here"],
      [there.socket.id ?? "", "there"],
    ]),
  );
  assert.deepEqual(answer.timedOut, [silent.id]);
  const fourth = await connectClient(urls[0] ?? "");
  t.after(() => fourth.disconnect());
  const [over] = await executor.apply([ask], "api");
  assert.equal(over?.ok === false && over.code, "COMMANDS_TOO_MANY_SOCKETS");
});

test("serverSideEmit reaches the other nodes and not this one", async (t) => {
  const { nodes, executor } = await gather(t);
  const heard: unknown[][] = [];
  for (const [i, { io }] of nodes.entries())
    io.on("news", (...args) => void heard.push([i, ...args]));
  const [answer] = await executor.apply(
    [{ do: "serverSideEmit", event: "news", args: [1] }],
    "api",
  );
  assert.deepEqual(answer, { ok: true });
  await until(() => heard.length > 0, "the other node hears it");
  assert.deepEqual(heard, [[1, 1]]);
});
