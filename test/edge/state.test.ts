import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../../src/edge/index.ts";
import { SECRET } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";
import { serve } from "./serve.ts";

interface Data {
  name: string;
  said: number;
  seat: { table: string; chips: number };
}

interface Listen {
  say: (text: string, done: (said: number) => void) => void;
  sit: (table: string, done: () => void) => void;
  leave: () => void;
  look: (done: (data: unknown, rooms: unknown, sizes: unknown) => void) => void;
}

test("a function without a memory remembers a socket, its rooms and how many are there", async (t) => {
  const told: unknown[] = [];
  const handler = createHandler<Listen, Record<string, never>, Data>({
    secret: SECRET,
    failed: (error) => assert.fail(String(error)),
    connect: ({ handshake }) => ({
      userId: String((handshake.auth as { name: unknown }).name),
      data: { name: String((handshake.auth as { name: unknown }).name), said: 0 },
      rooms: ["lobby"],
    }),
    connected({ socket: { data, rooms }, recovered }) {
      told.push(["connected", data?.name, rooms, recovered]);
      return { data: { said: 10 } };
    },
    events: {
      say({ socket: { data } }) {
        const said = (data?.said ?? 0) + 1;
        return { ack: [said], data: { said } };
      },
      sit: ({ args: [table] }) => ({
        ack: [],
        data: { seat: { table, chips: 100 } },
        rooms: { join: [table], leave: ["lobby"] },
      }),
      leave: () => ({ data: { seat: null }, rooms: { leave: ["t1"] } }),
      look: ({ socket: { data, rooms }, rooms: sizes }) => [data, rooms, sizes],
    },
    disconnect({ socket: { data, userId }, reason }) {
      told.push(["disconnect", data?.said, userId, reason]);
    },
  });
  const gateway = await testGateway(t, {
    upstream: {
      url: await serve(t, handler),
      secrets: [SECRET],
      calls: ["connect", "connected", "event", "disconnect"],
      rooms: true,
      presence: true,
    },
  });
  const client = await gateway.connected({ auth: { name: "ada" } });
  const look = () =>
    new Promise<unknown[]>((resolve) =>
      client.emit("look", (...given: unknown[]) => resolve(given)),
    );
  assert.deepEqual(
    [await client.emitWithAck("say", "a"), await client.emitWithAck("say", "b")],
    [11, 12],
  );
  await client.emitWithAck("sit", "t1");
  const seat = { table: "t1", chips: 100 };
  const about = { name: "ada", userId: "ada", said: 12 };
  assert.deepEqual(await look(), [{ ...about, seat }, ["t1"], { t1: 1 }]);
  client.emit("leave");
  assert.deepEqual(await look(), [about, [], {}]);
  client.disconnect();
  await until(() => told.length === 2, "the function hears that she has left");
  assert.deepEqual(told, [
    ["connected", "ada", ["lobby"], false],
    ["disconnect", 12, "ada", "client namespace disconnect"],
  ]);
});
