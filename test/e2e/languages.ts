import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type Received, startFunction } from "../harness/function.ts";
import { type Backend, startBackend } from "../harness/function-process.ts";
import { testGateway } from "../harness/gateway.ts";
import type { Prepare } from "../harness/languages.ts";
import { next, until } from "../harness/wait.ts";
import { type Chat, liveThrough, SECRET, startChat } from "./chat.ts";

/** A chat in another language, and what its gateway sent. */
interface OtherChat extends Chat {
  readonly backend: Backend;
  readonly received: readonly Received[];
}

/** Loses an answer on its way, after the function has given it. */
type Loses = (call: Received) => boolean;

/** Declares the tests of the chat in another language, without the SDK. */
export function testLanguage(language: string, prepare: Prepare): void {
  async function start(
    t: TestContext,
    upstream: PartialSettings["upstream"] = {},
    loses: Loses = () => false,
  ): Promise<OtherChat | undefined> {
    const command = prepare(t);
    if (!command) return undefined;
    let backend: Backend | undefined;
    let received: readonly Received[] = [];
    const chat = await startChat(
      t,
      async (env) => {
        backend = await startBackend(t, command, env);
        return backend.url;
      },
      {
        upstream,
        async via(url) {
          const proxy = await startFunction(t, (call) => forward(url, call, loses));
          received = proxy.received;
          return proxy.url;
        },
      },
    );
    assert.ok(backend);
    return { ...chat, backend, received };
  }

  describe(`a chat backend in ${language}, without the SDK`, () => {
    const options = { timeout: 200_000 };

    test("answers a real client's whole life", options, async (t) => {
      const chat = await start(t);
      if (chat) await liveThrough(chat);
    });

    test(
      "gives a repeated call the answer that was lost, and handles it once",
      options,
      async (t) => {
        const lost = new Set<string>();
        const loses = ({ json, headers }: Received): boolean => {
          const id = String(headers["webhook-id"]);
          if (json.event !== "message" || lost.size > 0) return false;
          lost.add(id);
          return true;
        };
        const chat = await start(t, { retryMs: 1 }, loses);
        if (chat) await repeat(chat, lost);
      },
    );

    test("takes names of any text out of the headers", options, async (t) => {
      const chat = await start(t);
      if (!chat) return;
      const ada = await chat.gateway.connected({ auth: { name: "Ada" } });
      const name = 'ünïcode 100% "🎈"';
      const { error } = await ada.emitWithAck(name);
      assert.equal(error.message, `there is no handler for the event ${name}`);
      const told = `io.sluice.event ${name}\n`;
      await until(() => chat.backend.output().includes(told), `${told}: ${chat.backend.output()}`);
    });

    test("takes batches apart, in order, and refuses events of them", options, async (t) => {
      const chat = await start(t, { batch: true, batchMax: 20 });
      if (chat) await batches(chat);
    });

    test("refuses calls that are not signed with its secret", options, async (t) => {
      const chat = await start(t);
      if (chat) await forge(t, chat);
    });
  });
}

async function forward(url: string, call: Received, loses: Loses) {
  const names = ["host", "connection", "content-length", "accept-encoding"];
  const headers = Object.entries(call.headers).filter(([name]) => !names.includes(name));
  const answer = await fetch(url + call.path, {
    method: "POST",
    headers: headers.map(([name, value]): [string, string] => [name, String(value)]),
    body: new Uint8Array(call.body),
  });
  const body = await answer.text();
  if (loses(call)) return (response: { destroy(): unknown }) => void response.destroy();
  return { status: answer.status, body };
}

async function repeat({ gateway, received }: OtherChat, lost: ReadonlySet<string>): Promise<void> {
  const ada = await gateway.connected({ auth: { name: "Ada" } });
  const bob = await gateway.connected({ auth: { name: "Bob" } });
  for (const one of [ada, bob]) await one.emitWithAck("join", "tea");
  const heard: unknown[] = [];
  bob.on("message", (_, __, text) => heard.push(text));
  ada.emit("message", "tea", "once");
  ada.emit("message", "tea", "twice");
  await until(() => heard.length === 2, "both messages");
  assert.deepEqual(heard, ["once", "twice"]);
  const left = next(bob, "left");
  ada.disconnect();
  // Were the repeated message handled again, she would have said three things.
  assert.deepEqual(await left, ["Ada", 2]);
  const again = received.filter(({ headers }) => lost.has(String(headers["webhook-id"])));
  assert.equal(again.length, 2);
}

async function batches({ gateway, received }: OtherChat): Promise<void> {
  const ada = await gateway.connected({ auth: { name: "Ada" } });
  const bob = await gateway.connected({ auth: { name: "Bob" } });
  for (const one of [ada, bob]) await one.emitWithAck("join", "tea");
  const heard: unknown[] = [];
  bob.on("message", (_, __, text) => heard.push(text));
  const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`);
  for (const [index, text] of texts.entries()) {
    ada.emit("message", "tea", text);
    if (index === 10) ada.emit("message", "tea", { no: "text" });
  }
  await until(() => heard.length === texts.length, "all messages");
  assert.deepEqual(heard, texts);
  const sent = received.flatMap(({ json }) => (Array.isArray(json) ? json : []));
  // The one that was refused has not come again.
  assert.equal(sent.length, texts.length + 1);
}

async function forge(t: TestContext, { url, gateway, received }: OtherChat): Promise<void> {
  await gateway.connected({ auth: { name: "Ada" } });
  const [real] = received;
  assert.ok(real);
  const send = (headers: Record<string, string>, body = String(real.body)) =>
    fetch(`${url}/call`, { method: "POST", headers, body });
  const same = Object.fromEntries(
    Object.entries(real.headers)
      .filter(([name]) => /^(ce-|webhook-|content-type)/.test(name))
      .map(([name, value]) => [name, String(value)]),
  );
  assert.equal((await send(same)).status, 200);
  const sign = (secret: string, at: Date) => ({
    ...same,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(same["webhook-id"] ?? "", at, String(real.body)),
  });
  assert.equal((await send(sign(SECRET, new Date()))).status, 200);
  const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  const { "webhook-signature": _, ...unsigned } = same;
  for (const [what, headers, body] of [
    ["no signature", unsigned],
    ["no base64", { ...same, "webhook-signature": "v1,?? v2,a nonsense" }],
    ["another secret", sign(other, new Date())],
    ["an old one", sign(SECRET, new Date(Date.now() - 600_000))],
    ["another body", same, `${real.body} `],
    ["another id in the attributes", { ...same, "ce-id": "evt_other" }],
  ] as const) {
    assert.equal((await send(headers, body)).status, 400, what);
  }
  const stranger = await testGateway(t, { upstream: { url: `${url}/call`, secrets: [other] } });
  const client = stranger.client({ auth: { name: "Ada" } });
  const refused = next<[Error & { data: { code: string } }]>(client, "connect_error");
  client.connect();
  assert.equal((await refused)[0].data.code, "UPSTREAM_REJECTED");
}
