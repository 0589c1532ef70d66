/** What is told of the events of watched sockets, and what it is bounded by. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

const KEY = "operator-0123456789abcdef";
const headers = { authorization: `Bearer ${KEY}` };

interface Watched {
  readonly direction: string;
  readonly event: string;
  readonly args: unknown[];
  readonly id: string;
  readonly sockets: number;
}

/** A gateway whose clients echo, and what a stream of it has told so far. */
async function start(t: TestContext, console: PartialSettings["console"] = {}) {
  const gateway = await testGateway(t, {
    api: { keys: [`ops:${KEY}`] },
    console: { watch: "on", ...console },
  });
  gateway.io.on("connection", (socket) => {
    socket.on("echo", (value: unknown, done?: (value: unknown) => void) => done?.(value));
    socket.on("say", (text: unknown) => gateway.io.to("lobby").emit("said", text));
  });
  async function watch(query: string) {
    const cut = new AbortController();
    t.after(() => cut.abort());
    const url = `${gateway.url}/console/watch?${query}`;
    const response = await fetch(url, { headers, signal: cut.signal });
    assert.equal(response.status, 200);
    const events: Watched[] = [];
    const states: { sockets: number; dropped: number }[] = [];
    void (async () => {
      let text = "";
      for await (const part of response.body ?? []) {
        const lines = (text + Buffer.from(part).toString()).split("\n\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          const [, name = "", data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(line) ?? [];
          if (name === "state") states.push(JSON.parse(data));
          else events.push(JSON.parse(data));
        }
      }
    })().catch(() => {});
    await until(() => states.length > 0, "the first state");
    return { events, states, cut: () => cut.abort() };
  }
  return { gateway, watch };
}

test("watching is off unless it is set, or somebody develops", async (t) => {
  const keys = [`ops:${KEY}`];
  const off = await testGateway(t, { api: { keys } });
  const refused = await fetch(`${off.url}/console/watch?room=lobby`, { headers });
  assert.equal(refused.status, 403);
  assert.equal((await refused.json()).code, "CONSOLE_WATCH_OFF");
  const about = await (await fetch(`${off.url}/console/about`, { headers })).json();
  assert.equal(about.canWatch, false);
  const on = await testGateway(t, { api: { keys } }, { developing: true });
  const found = await (await fetch(`${on.url}/console/about`, { headers })).json();
  assert.equal(found.canWatch, true);
});

test("what a socket sends and is sent is told, with its secrets masked", async (t) => {
  const { gateway, watch } = await start(t);
  const { client, socket } = await gateway.joined();
  const { events, cut } = await watch(`id=${socket.id}`);
  await client.emitWithAck("echo", { user: "ann", token: "hidden" });
  socket.emit("news", "one", new Uint8Array(9));
  await until(() => events.length === 2, "both were told");
  assert.deepEqual(
    events.map(({ direction, event, args }) => [direction, event, args]),
    [
      ["in", "echo", [{ user: "ann", token: "•••" }, "(acknowledgement)"]],
      ["out", "news", ["one", "(9 bytes)"]],
    ],
  );
  cut();
  await until(() => socket.listenersAny().length === 0, "nobody listens any more");
  assert.equal(socket.listenersAnyOutgoing().length, 0);
  const gone = await fetch(`${gateway.url}/console/watch?id=none`, { headers });
  assert.equal(gone.status, 404);
});

test("a broadcast to a room is one line, and who joins later is watched too", async (t) => {
  const { gateway, watch } = await start(t);
  const first = await gateway.joined();
  first.socket.join("lobby");
  const { events, states } = await watch("room=lobby");
  for (const codec of ["msgpack", "json"] as const) {
    (await gateway.joined({ codec })).socket.join("lobby");
  }
  await until(() => states.at(-1)?.sockets === 3, "all are watched");
  first.client.emit("say", "hello");
  await until(() => events.length === 2, "the event and its broadcast");
  const [came, went] = events;
  assert.equal(came?.id, first.socket.id);
  assert.deepEqual([went?.event, went?.args, went?.sockets], ["said", ["hello"], 3]);
  first.socket.leave("lobby");
  await until(() => states.at(-1)?.sockets === 2, "who left is not");
  assert.equal(first.socket.listenersAny().length, 0);
});

test("what one socket is sent twice is two lines, also in one turn and to others", async (t) => {
  // Seen: one line, "and 1 more". Events that were alike were counted as one broadcast to many.
  const { gateway, watch } = await start(t);
  const [one, other] = [await gateway.joined(), await gateway.joined()];
  for (const { socket } of [one, other]) await socket.join("lobby");
  const { events } = await watch("room=lobby");
  one.socket.emit("tick", 1);
  one.socket.emit("tick", 1);
  gateway.io.to("lobby").emit("tock");
  gateway.io.to("lobby").emit("tock");
  await until(() => events.length >= 4, "all were told");
  assert.deepEqual(
    events.map(({ event, sockets }) => [event, sockets]),
    [
      ["tick", 1],
      ["tick", 1],
      ["tock", 2],
      ["tock", 2],
    ],
  );
});

test("events above the bound are counted and left out, and the next second has room", async (t) => {
  const { gateway, watch } = await start(t, { watchPerSecondMax: 5, watchArguments: "masked" });
  const { client, socket } = await gateway.joined();
  const { events, states } = await watch(`id=${socket.id}`);
  for (let at = 0; at < 50; at++) client.emit("tick", "secret text", [1, 2], at);
  await until(() => (states.at(-1)?.dropped ?? 0) > 0, "some were left out");
  const { dropped = 0 } = states.at(-1) ?? {};
  assert.equal(events.length + dropped, 50);
  assert.ok(events.length <= 10, "5 in each of the two seconds that it can fall into");
  assert.deepEqual(events[0]?.args, ["(text, 11 characters)", "(list of 2)", "(number)"]);
  const before = events.length;
  await client.emitWithAck("echo", 1);
  await until(() => events.length > before, "there is room again");
});

test("many may watch one namespace, and Node.js takes that for no leak", async (t) => {
  const { gateway, watch } = await start(t);
  const { adapter } = gateway.io.of("/");
  const before = adapter.getMaxListeners();
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const streams = await Promise.all(Array.from({ length: 12 }, () => watch("room=lobby")));
  assert.deepEqual(warnings, []);
  for (const { cut } of streams) cut();
  await until(() => adapter.listenerCount("join-room") === 0, "nobody watches any more");
  assert.equal(adapter.getMaxListeners(), before);
});
