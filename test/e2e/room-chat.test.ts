import assert from "node:assert/strict";
import { test } from "node:test";
import chat from "../../examples/chat.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { next } from "../harness/wait.ts";

test("the others in a room get what one of them says, and hear when someone goes", async (t) => {
  const gateway = await testGateway(t);
  chat(gateway.io);
  const members = await Promise.all([
    gateway.connected({ codec: "msgpack" }),
    gateway.connected({ codec: "json" }),
    gateway.connected({ codec: "msgpack", transports: [...WAYS.polling] }),
  ]);
  const [speaker, ...others] = members;
  assert.ok(speaker);
  for (const member of members) assert.equal(await member.emitWithAck("join", "lobby"), true);
  const from = speaker.id;
  speaker.on("message", () => assert.fail("the sender must not get its own message"));
  const heard = Promise.all(others.map((other) => next(other, "message")));
  assert.equal(await speaker.emitWithAck("message", "lobby", "hello"), true);
  assert.deepEqual(await heard, [
    [{ from, room: "lobby", text: "hello" }],
    [{ from, room: "lobby", text: "hello" }],
  ]);
  const left = Promise.all(others.map((other) => next(other, "user has left")));
  speaker.disconnect();
  assert.deepEqual(await left, [
    [from, "lobby"],
    [from, "lobby"],
  ]);
});

test("who is not in a room cannot speak in it", async (t) => {
  const gateway = await testGateway(t);
  chat(gateway.io);
  const stranger = await gateway.connected();
  assert.equal(await stranger.emitWithAck("message", "lobby", "hello"), false);
  assert.equal(await stranger.emitWithAck("leave", "lobby"), false);
  assert.equal(await stranger.emitWithAck("join", ""), false);
});
