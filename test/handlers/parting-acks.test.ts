// Seen: a function that answered an event and disconnected its client: the acknowledgement never came.
// The old code carried out every command before it acknowledged, and who is gone can be sent nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const BIG = "b".repeat(300_000);

for (const codec of ["msgpack", "json"] as const) {
  for (const [way, transports] of Object.entries(WAYS)) {
    const how = { codec, transports: [...transports] };

    test(`a function's answer reaches the client that it disconnects: ${codec}, ${way}`, async (t) => {
      const fn = await startFunction(t, ({ json }) => {
        if (json.event === undefined) return {};
        const [close, everyone] = json.args;
        const part = { do: "disconnectSockets", close, ...(!everyone && { in: [json.socket.id] }) };
        return { body: { ack: ["bye", BIG], commands: [{ do: "emit", event: "last" }, part] } };
      });
      const gateway = await testGateway(t, { upstream: { url: fn.url, secrets: [SECRET] } });
      for (const [close, everyone] of [
        [false, false],
        [true, false],
        [true, true],
      ]) {
        const client = await gateway.connected(how);
        const heard: unknown[] = [];
        client.on("last", () => heard.push("last"));
        client.on("disconnect", () => heard.push("gone"));
        const gone = next(client, "disconnect");
        assert.deepEqual(await ask(client, close, everyone), ["bye", BIG]);
        await gone;
        assert.deepEqual(heard, ["last", "gone"]);
      }
    });

    test(`so does a handler's in the process: ${codec}, ${way}`, async (t) => {
      const gateway = await testGateway(t);
      gateway.io.on("connection", (socket) =>
        socket.on("part", (close, everyone, ack) => {
          ack("bye", BIG);
          if (everyone) gateway.io.disconnectSockets(close);
          else socket.disconnect(close);
        }),
      );
      for (const [close, everyone] of [
        [false, false],
        [true, false],
        [true, true],
      ]) {
        const client = await gateway.connected(how);
        const gone = next(client, "disconnect");
        assert.deepEqual(await ask(client, close, everyone), ["bye", BIG]);
        await gone;
      }
      await until(() => gateway.io.of("/").sockets.size === 0, "all are gone");
    });
  }
}

function ask(client: { emit(event: string, ...args: unknown[]): unknown }, ...args: unknown[]) {
  return new Promise<unknown[]>((resolve) => {
    client.emit("part", ...args, (...answer: unknown[]) => resolve(answer));
  });
}

test("an answer that disconnects nobody is still carried out before its ack", async (t) => {
  const fn = await startFunction(t, ({ json }) =>
    json.event === undefined
      ? {}
      : { body: { ack: ["in"], commands: [{ do: "emit", event: "first" }] } },
  );
  const gateway = await testGateway(t, { upstream: { url: fn.url, secrets: [SECRET] } });
  const client = await gateway.connected();
  const heard: unknown[] = [];
  client.on("first", () => heard.push("first"));
  heard.push(await client.timeout(5000).emitWithAck("e"));
  assert.deepEqual(heard, ["first", "in"]);
});
