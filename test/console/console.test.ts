/** The console's routes: who may see what, and within which bounds. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { bundlePage } from "../../src/console/bundle.ts";
import type { LogFields } from "../../src/core/log.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

const KEY = "operator-0123456789abcdef";
const OTHER = "emitter-0123456789abcdef0";
const keys = [`ops:${KEY}:console+emit`, `app:${OTHER}:emit+fetchSockets`];

type Ask = (path: string, init?: RequestInit & { key?: string }) => Promise<Response>;

function asker(url: string): Ask {
  return (path, { key = KEY, ...init } = {}) =>
    fetch(url + path, {
      ...init,
      headers: { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) },
    });
}

/** Reads a stream until `isEnough` holds of its events. */
async function readEvents(
  response: Response,
  isEnough: (events: readonly (readonly [string, unknown])[]) => boolean,
): Promise<readonly (readonly [string, unknown])[]> {
  assert.equal(response.status, 200);
  assert.ok(response.body);
  let text = "";
  for await (const part of response.body) {
    text += Buffer.from(part).toString();
    const events = [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(
      ([, name = "", data = ""]) => [name, JSON.parse(data) as unknown] as const,
    );
    if (isEnough(events)) return events;
  }
  throw new Error(`the stream ended: ${text}`);
}

test("without a key there is no console, and nothing is sampled", async (t) => {
  const gateway = await testGateway(t);
  assert.equal(gateway.consoleUrl, undefined);
  assert.equal((await fetch(`${gateway.url}/console`)).status, 404);
});

test("a key without the right leaves the console off, and so does the setting", async (t) => {
  const emitters = await testGateway(t, { api: { keys: [`app:${OTHER}:emit`] } });
  assert.equal((await fetch(`${emitters.url}/console`)).status, 404);
  const off = await testGateway(t, { api: { keys }, console: { enabled: false } });
  assert.equal((await fetch(`${off.url}/console`)).status, 404);
});

test("whoever develops gets a key of this start, in the link and behind its #", async (t) => {
  const lines: string[] = [];
  const log = (_level: string, _fields: LogFields, text: string) => void lines.push(text);
  const gateway = await testGateway(t, {}, { developing: true, log });
  const [, key = ""] = /\/console#key=([\w-]{32})$/.exec(gateway.consoleUrl ?? "") ?? [];
  assert.ok(lines.includes(`the console is at ${gateway.consoleUrl}`));
  const ask = asker(gateway.url);
  assert.equal((await ask("/console/about", { key })).status, 200);
  assert.equal((await ask("/console/about", { key: "" })).status, 401);
  assert.deepEqual(gateway.settings.api.keys, [], "the settings are as they were given");
  const keyed = await testGateway(t, { api: { keys } }, { developing: true });
  assert.doesNotMatch(keyed.consoleUrl ?? "", /#/, "given keys are the only ones");
});

test("the page is open to all and holds nothing; what it asks for needs the right", async (t) => {
  const gateway = await testGateway(t, { api: { keys } });
  const ask = asker(gateway.url);
  for (const path of ["/console", "/console/page.js", "/console/page.css", "/console/client.js"]) {
    const response = await ask(path, { key: "" });
    assert.equal(response.status, 200, path);
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|, /, "one policy, nothing inline");
    assert.equal(response.headers.get("connection"), "close");
    await response.arrayBuffer();
  }
  for (const path of ["about", "live", "sockets", "socket", "nodes"]) {
    assert.equal((await ask(`/console/${path}`, { key: "" })).status, 401, path);
    assert.equal((await ask(`/console/${path}`, { key: "wrong-0123456789abcdef" })).status, 401);
    assert.equal((await ask(`/console/${path}`, { key: OTHER })).status, 403, path);
  }
});

test("the page refers to nothing elsewhere and has no inline script or style", async () => {
  const files = await bundlePage();
  const html = `${files.get("page.html")}`;
  assert.doesNotMatch(html, /<style|style=|\bon\w+=|<script[^>]*>[^<]/);
  assert.doesNotMatch(`${html}${files.get("page.css")}`, /https?:\/\//);
  assert.equal(files.size, 4);
});

test("all files of the page together are 80 KB at most, compressed", async () => {
  let bytes = 0;
  for (const file of (await bundlePage()).values()) bytes += gzipSync(file, { level: 9 }).length;
  assert.ok(bytes <= 80 * 1024, `${bytes} bytes`);
});

async function withClients(t: TestContext, count: number) {
  const gateway = await testGateway(t, { api: { keys }, console: { streamsMax: 1 } });
  gateway.io.on("connection", (socket) => {
    socket.join("lobby");
    socket.data = { user: { sub: `user-${gateway.io.engine.clientsCount}` }, token: "hidden" };
  });
  for (let at = 0; at < count; at++) {
    await gateway.connected({
      query: { apiKey: "hidden", at: `${at}` },
      auth: { token: "hidden" },
    });
  }
  return { gateway, ask: asker(gateway.url) };
}

test("the live stream sends what was, then a row a second of the metrics' samples", async (t) => {
  const { gateway, ask } = await withClients(t, 3);
  const { signal, abort } = cutter();
  const stream = await ask("/console/live", { signal });
  const refused = await ask("/console/live");
  assert.equal(refused.status, 503, "streamsMax is 1");
  assert.equal((await refused.json()).code, "CONSOLE_TOO_MANY_STREAMS");
  const events = await readEvents(stream, (all) => all.length > 2);
  assert.deepEqual(
    events.map(([name]) => name),
    ["history", "row", "row"],
  );
  const [[, history]] = events as [readonly [string, { names: string[]; rows: number[][] }]];
  const names = [...history.names];
  let row: number[] = [];
  for (const [, data] of events.slice(1) as [string, { names: string[]; row: number[] }][]) {
    names.push(...data.names);
    row = data.row;
  }
  const lastOf = (name: string) => row[names.indexOf(name)];
  assert.equal(lastOf("connections websocket msgpack"), 3);
  assert.equal(
    lastOf("packets_sent_total message"),
    await gateway.metric("sluice_packets_sent_total", { type: "message" }),
  );
  assert.ok(Math.abs((lastOf("at") ?? 0) - Date.now()) < 60_000);
  abort();
  await until(async () => {
    const next = cutter();
    const { status } = await ask("/console/live", { signal: next.signal });
    next.abort();
    return status === 200;
  }, "a place is free again");
});

function cutter() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

test("sockets are found by room, user, address and id, page by page", async (t) => {
  const { gateway, ask } = await withClients(t, 3);
  const find = async (query: string) => (await ask(`/console/sockets?${query}`)).json();
  const { sockets } = await find("namespace=/&room=lobby");
  assert.equal(sockets.length, 3);
  assert.deepEqual(sockets[0].rooms, ["lobby"]);
  assert.equal((await find("text=USER-2")).sockets.length, 1);
  assert.equal((await find("text=127.0.0.1")).sockets.length, 3);
  assert.equal((await find(`text=${sockets[1].id}`)).sockets[0].id, sockets[1].id);
  assert.equal((await find(`after=${sockets[1].id}`)).sockets.length, 1);
  assert.equal((await find("room=nobody")).sockets.length, 0);
  assert.equal((await ask("/console/sockets?namespace=/none")).status, 404);
  assert.equal(gateway.io.engine.clientsCount, 3);
});

test("one socket is shown with all but its secrets", async (t) => {
  const { gateway, ask } = await withClients(t, 1);
  const [id = ""] = gateway.io.of("/").sockets.keys();
  const response = await ask(`/console/socket?namespace=/&id=${id}`);
  const text = await response.text();
  assert.doesNotMatch(text, /hidden/);
  const shown = JSON.parse(text);
  assert.equal(shown.connection.transport, "websocket");
  assert.equal(shown.connection.codec, "msgpack");
  assert.equal(shown.connection.unsentBytes, 0);
  assert.deepEqual(shown.auth, { token: "•••" });
  assert.equal(shown.handshake.query.at, "0");
  assert.equal(shown.data.user.sub, "user-1");
  assert.equal((await ask("/console/socket?id=none")).status, 404);
});

test("commands are carried out with the key's own rights, and logged with its name", async (t) => {
  const lines: LogFields[] = [];
  const gateway = await testGateway(
    t,
    { api: { keys } },
    { log: (_level, fields, text) => void (/from the console/.test(text) && lines.push(fields)) },
  );
  const client = await gateway.connected();
  const heard: unknown[] = [];
  client.on("news", (text: string) => heard.push(text));
  const send = (command: object, key = KEY) =>
    asker(gateway.url)("/console/commands", {
      ...{ method: "POST", key, body: JSON.stringify(command) },
      headers: { "content-type": "application/json" },
    });
  const news = { do: "emit", to: [client.id], event: "news", args: ["one"] };
  assert.equal((await send(news)).status, 200);
  await until(() => heard.length === 1, "the emit arrived");
  assert.deepEqual(lines, [
    { component: "console", key: "ops", command: "emit", namespace: "/", rooms: [client.id] },
  ]);
  const disconnect = { do: "disconnectSockets", in: [client.id] };
  assert.equal((await send(disconnect)).status, 403, "the key may emit only");
  assert.equal((await send(news, OTHER)).status, 403, "its right is the API's, not the console's");
  assert.equal(lines.length, 1);
});

test("rooms are listed page by page, whatever they are called", async (t) => {
  const { gateway, ask } = await withClients(t, 1);
  const [socket] = gateway.io.of("/").sockets.values();
  for (let at = 0; at < 60; at++) socket?.join(`room ${at} <b>`);
  const first = await (await ask("/console/rooms?namespace=/")).json();
  assert.equal(first.rooms.length, 50);
  const second = await (
    await ask(`/console/rooms?namespace=/&after=${encodeURIComponent(first.next)}`)
  ).json();
  assert.equal(second.rooms.length, 11);
  assert.equal(second.next, undefined);
  assert.equal((await ask("/console/rooms?namespace=/none")).status, 404);
});

test("consoles see the sockets and numbers of all nodes behind Redis", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = () => testGateway(t, { api: { keys }, cluster: { redisUrl: redis.url } });
  const [here, there] = await Promise.all([node(), node()]);
  const { socket } = await there.joined();
  await socket.join("lobby");
  const ask = asker(here.url);
  const { nodes, whole, answeredMs } = await (await ask("/console/nodes")).json();
  assert.equal(whole, true);
  assert.deepEqual(
    nodes.map((one: { connections: number }) => one.connections),
    [0, 1],
  );
  assert.deepEqual(nodes[1].namespaces[0], { name: "/", sockets: 1, rooms: 1 });
  assert.ok(answeredMs >= 0);
  const { sockets } = await (await ask("/console/sockets?room=lobby")).json();
  assert.deepEqual(
    sockets.map(({ id }: { id: string }) => id),
    [socket.id],
  );
  const shown = await (await ask(`/console/socket?id=${socket.id}`)).json();
  assert.deepEqual(shown.rooms, [socket.id, "lobby"]);
  assert.equal((await ask("/console/socket?id=none")).status, 404);
});

test("the metrics cannot have a path of the console, where it is served", async (t) => {
  for (const path of ["/console", "/console/live"]) {
    const served = testGateway(t, { api: { keys }, metrics: { path } });
    await assert.rejects(served, /metrics\.path.*is a path of the console/s);
  }
  const off = await testGateway(t, { metrics: { path: "/console" } });
  assert.match(await (await fetch(`${off.url}/console`)).text(), /sluice_connections/);
});

test("the latest warnings and errors are shown, with their fields", async (t) => {
  const gateway = await testGateway(t, { api: { keys } }, { log: () => {} });
  gateway.uncaught(new Error("the database is locked"), "order");
  const { lines } = await (await asker(gateway.url)("/console/lines")).json();
  assert.equal(lines.length, 1);
  const [{ level, fields }] = lines;
  assert.equal(level, "error");
  assert.match(JSON.stringify(fields), /the database is locked/);
});
