import assert from "node:assert/strict";
import { test } from "node:test";
import { Adapter } from "socket.io-adapter";
import type { LogFields } from "../../src/core/log.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

function record() {
  const lines: (LogFields & { readonly level: string; readonly text: string })[] = [];
  const log = (level: string, fields: LogFields, text: string) =>
    void lines.push({ ...fields, level, text });
  const texts = () => lines.filter(({ level }) => level === "debug").map(({ text }) => text);
  return { lines, log, texts };
}

test("at debug every connection, join, leave and close is a line, in any namespace", async (t) => {
  const { lines, log, texts } = record();
  const gateway = await testGateway(t, { log: { level: "debug" } }, { log });
  gateway.io.of(/^\/game-\d$/).on("connection", (socket) => {
    socket.on("visit", () => {
      socket.join("lobby");
      socket.leave("lobby");
    });
  });
  const client = newClient(`${gateway.url}/game-1`);
  t.after(() => client.disconnect());
  client.connect().emit("visit");
  await until(() => texts().includes("left a room"), "its rooms");
  const { id } = client;
  client.disconnect();
  await until(() => texts().some((text) => text.startsWith("connection closed")), "its close");
  assert.deepEqual(texts().slice(0, 5), [
    "connection opened",
    "a socket connected",
    "joined a room",
    "left a room",
    "a socket disconnected",
  ]);
  const joined = lines.find(({ text }) => text === "joined a room");
  assert.deepEqual(
    [joined?.component, joined?.namespace, joined?.socket, joined?.room],
    ["fanout", "/game-1", id, "lobby"],
  );
  const [opened, entered] = lines.filter(({ component, level }) => {
    return component === "socket" && level === "debug";
  });
  assert.deepEqual([opened?.transport, opened?.address], ["websocket", "127.0.0.1"]);
  assert.equal(entered?.connection, opened?.id);
});

test("an adapter that a handler module brings tells of joins, too", async (t) => {
  const { log, texts } = record();
  const gateway = await testGateway(t, { log: { level: "debug" } }, { log });
  gateway.io.adapter(class extends Adapter {});
  gateway.io.on("connection", (socket) => socket.join("lobby"));
  await gateway.connected();
  await until(() => texts().includes("joined a room"), "the join");
});

test("at info none of them is a line", async (t) => {
  const { log, texts } = record();
  const gateway = await testGateway(t, {}, { log });
  gateway.io.on("connection", (socket) => socket.join("lobby"));
  const client = await gateway.connected();
  client.disconnect();
  const isClosed = () => texts().some((text) => text.startsWith("connection closed"));
  await until(isClosed, "its close, which is always told and kept by the log's own level");
  assert.equal(texts().length, 1);
});
