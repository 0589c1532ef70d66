import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { findFreePort } from "../harness/free-port.ts";
import type { FunctionEnv } from "../harness/function-process.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const KEY = randomBytes(24).toString("hex");

/** The secret that the gateways of chats sign with. */
export const SECRET = `whsec_${randomBytes(32).toString("base64")}`;

/** A gateway and its backend, each of which knows where the other is. */
export interface Chat {
  readonly gateway: TestGateway;
  readonly url: string;
}

/** Starts a backend, which gets its environment, and a gateway that calls it or what `via` says. */
export async function startChat(
  t: TestContext,
  start: (env: FunctionEnv) => Promise<string>,
  {
    upstream,
    via = async (url) => url,
  }: {
    readonly upstream?: PartialSettings["upstream"];
    readonly via?: (url: string) => Promise<string>;
  } = {},
): Promise<Chat> {
  const port = await findFreePort();
  const url = await start({
    SLUICE_SECRET: SECRET,
    SLUICE_URL: `http://127.0.0.1:${port}`,
    SLUICE_KEY: KEY,
  });
  const gateway = await testGateway(t, {
    socket: { port },
    api: { keys: [`test:${KEY}`] },
    upstream: { url: `${await via(url)}/call`, secrets: [SECRET], ...upstream },
  });
  return { gateway, url };
}

/** Has real clients live a whole life with the chat of `examples/functions/`, whatever it runs in. */
export async function liveThrough({ gateway, url }: Chat): Promise<void> {
  const nobody = gateway.client();
  const refused = next<[Error & { data: unknown }]>(nobody, "connect_error");
  nobody.connect();
  const [error] = await refused;
  assert.equal(error.message, "tell us your name");
  assert.deepEqual(error.data, { field: "name" });

  const ada = await gateway.connected({ auth: { name: "Ada" } });
  const bob = await gateway.connected({ auth: { name: "Bob" }, codec: "json" });
  assert.equal(await ada.emitWithAck("join", "tea"), "welcome to tea");
  const joined = next(ada, "joined");
  await bob.emitWithAck("join", "tea");
  assert.deepEqual(await joined, ["tea", "Bob"]);

  const before = await gateway.metric("sluice_upstream_calls_total");
  const heard = next(bob, "message");
  assert.deepEqual(await ada.emitWithAck("message", "tea", "hello"), { delivered: true });
  assert.deepEqual(await heard, ["tea", "Ada", "hello"]);
  // One round trip carried the acknowledgement and the broadcast.
  assert.equal((await gateway.metric("sluice_upstream_calls_total")) - before, 1);

  // What is to happen when she pauses waits in the gateway; her message cancels it.
  const typing = next(bob, "typing");
  ada.emit("typing", "tea");
  assert.deepEqual(await typing, ["tea", "Ada"]);
  const waiting = () => gateway.metric("sluice_fanout_delayed_commands");
  await until(async () => (await waiting()) === 1, "the pause waits");
  await ada.emitWithAck("message", "tea", "hello");
  assert.equal(await waiting(), 0);

  const refusal = await ada.emitWithAck("message", "tea", "x".repeat(1001));
  assert.equal(refusal.error.code, "UPSTREAM_REFUSED");
  assert.equal(refusal.error.message, "that is too long");

  // What a client may send in their stead is refused too; as failures, so many would be the last
  // calls that anybody's events made for a while.
  for (let n = 0; n < 25; n++) {
    const { error: no } = await bob.emitWithAck("message", { $binary: "!" });
    assert.deepEqual([no.code, no.message], ["UPSTREAM_REFUSED", "that is no text"]);
  }
  assert.deepEqual(await ada.emitWithAck("message", "tea", "well"), { delivered: true });

  const news = [next(ada, "news"), next(bob, "news")];
  const posted = await fetch(`${url}/news`, { method: "POST", body: "it rains" });
  assert.equal(posted.status, 204, await posted.text());
  assert.deepEqual(await Promise.all(news), [["it rains"], ["it rains"]]);

  const left: unknown[] = [];
  ada.on("left", (name) => left.push(name));
  bob.disconnect();
  const disconnects = () =>
    gateway.metric("sluice_upstream_calls_total", { type: "disconnect", outcome: "answered" });
  await until(() => left.length > 0, "the others hear that Bob left");
  await until(async () => (await disconnects()) === 1, "the disconnect call is counted");
  // A later call of the same kind comes after anything that would be a second one for Bob.
  const cleo = await gateway.connected({ auth: { name: "Cleo" } });
  cleo.disconnect();
  await until(() => left.includes("Cleo"), "the others hear that Cleo left");
  assert.deepEqual(left, ["Bob", "Cleo"]);
}
