import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { countSegments } from "../../bench/rig/segments.ts";
import { createValueCodec } from "../../src/codec/values.ts";
import { type Gateway, startGateway } from "../../src/gateway/gateway.ts";
import { SECRET, startApi, WIDE } from "../harness/api.ts";
import { connectClient, type Socket, watchClient } from "../harness/clients.ts";
import { findFreePort } from "../harness/free-port.ts";
import { until } from "../harness/wait.ts";
import { readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

let gateway: Gateway;
const clients: Socket[] = [];
const packer = createValueCodec(WIDE);
const JSON_TYPE = "application/json";
const MSGPACK = "application/msgpack";

before(async () => {
  gateway = await startGateway({
    overload: { enabled: false },
    socket: { port: 0, drainMs: 0 },
    api: { keys: [`tests:${SECRET}`] },
  });
});
after(async () => {
  for (const client of clients) client.disconnect();
  await gateway.stop();
});

async function send(path: string, body: unknown, type = JSON_TYPE, more = {}): Promise<Response> {
  const bytes = type === MSGPACK ? packer.encode(body) : JSON.stringify(body);
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${SECRET}`, "content-type": type, ...more },
    body: bytes,
  } as RequestInit); // Node's own fetch takes Buffers, whose type the DOM's does not know
}
const get = (path: string) =>
  fetch(gateway.url + path, { headers: { authorization: `Bearer ${SECRET}` } });

async function watch(codec: "json" | "msgpack" = "json") {
  const client = await watchClient(gateway.url, codec);
  clients.push(client.socket);
  return client;
}

test("the commands of a request go out in a few writes per member, not one a command", async (t) => {
  // Seen: 80 emits of one request were 66 writes to each member. The request's callback, too, is one
  // in which uWebSockets.js puts nothing together for others.
  const members = [await watch(), await watch("msgpack"), await watch()];
  const before = await countSegments(gateway.port);
  if (before === 0) return t.skip("ss is missing");
  const commands = Array.from({ length: 80 }, (_, n) => ({ do: "emit", event: "n", args: [n] }));
  assert.equal((await send("/v1/commands", commands)).status, 200);
  await until(() => members.every(({ seen }) => seen.length === 80), "all events");
  const segments = (await countSegments(gateway.port)) - before;
  for (const { seen, socket } of members) {
    assert.deepEqual(
      seen,
      commands.map((_, n) => ["n", n]),
    );
    socket.disconnect();
  }
  assert.ok(segments <= 8 * (members.length + 1), `${segments} segments`);
});

test("bytes sent as msgpack or as $binary reach JSON and msgpack clients as bytes", async () => {
  const [json, msgpack] = [await watch(), await watch("msgpack")];
  const bytes = Buffer.from([0, 1, 254, 255]);
  const first = await send("/v1/emit", { event: "b", args: [{ in: [bytes] }] }, MSGPACK);
  assert.equal(first.headers.get("content-type"), MSGPACK);
  assert.deepEqual(packer.decode(Buffer.from(await first.arrayBuffer())), { ok: true });
  const spelled = { event: "b", args: [{ in: [{ $binary: bytes.toString("base64") }] }] };
  assert.deepEqual(await (await send("/v1/emit", spelled)).json(), { ok: true });
  for (const client of [json, msgpack]) {
    await until(() => client.seen.length === 2, "both events");
    assert.deepEqual(client.seen, Array(2).fill(["b", { in: [bytes] }]));
    client.socket.disconnect();
  }
});

test("acknowledgements carry bytes back, spelled in JSON and as they are in msgpack", async () => {
  const client = await connectClient(gateway.url, "msgpack");
  clients.push(client);
  client.on("ask", (done: (answer: unknown) => void) => done({ at: Buffer.from([1, 2, 3]) }));
  const ask = { event: "ask", to: [client.id ?? ""], timeoutMs: 5000 };
  const spelled = await (await send("/v1/emitWithAck", ask)).json();
  assert.deepEqual(spelled, {
    ok: true,
    answers: [{ id: client.id, answer: { at: { $binary: "AQID" } } }],
    timedOut: [],
  });
  const asked = await send("/v1/emitWithAck", ask, JSON_TYPE, { accept: MSGPACK });
  assert.deepEqual(packer.decode(Buffer.from(await asked.arrayBuffer())), {
    ok: true,
    answers: [{ id: client.id, answer: { at: Buffer.from([1, 2, 3]) } }],
    timedOut: [],
  });
  client.disconnect();
});

test("every command works on a route of its own and in a batch, each with its own answer", async () => {
  const { socket, seen } = await watch();
  const id = socket.id ?? "";
  const steps: [string, object, object][] = [
    ["socketsJoin", { in: [id], rooms: ["r1", "r2"] }, { ok: true }],
    ["emit", { to: ["r1"], event: "one", args: [1] }, { ok: true }],
    ["socketsLeave", { in: [id], rooms: ["r1"] }, { ok: true }],
    ["emit", { to: ["r1"], event: "nobody" }, { ok: true }],
    ["emitWithAck", { to: ["r1"], event: "nobody" }, { ok: true, answers: [], timedOut: [] }],
  ];
  for (const [name, body, expected] of steps) {
    const answer = await send(`/v1/${name}`, body);
    assert.deepEqual([answer.status, await answer.json()], [200, expected], name);
  }
  const found = await (await send("/v1/fetchSockets", { in: ["r2"] })).json();
  assert.deepEqual([found.ok, found.sockets[0].id, found.sockets[0].rooms], [true, id, [id, "r2"]]);
  const alone = await send("/v1/serverSideEmit", { event: "x" });
  assert.deepEqual([alone.status, (await alone.json()).code], [409, "COMMANDS_NO_CLUSTER"]);
  const batch = [
    { do: "emit", to: [id], event: "two" },
    { do: "serverSideEmit", event: "x" },
    { do: "emit", namespace: "/none", event: "x" },
    { do: "disconnectSockets", in: [id], close: true },
  ];
  const answers = await (await send("/v1/commands", batch)).json();
  assert.deepEqual(
    answers.map((answer: { ok: boolean; code?: string }) => answer.code ?? answer.ok),
    [true, "COMMANDS_NO_CLUSTER", "COMMANDS_NO_NAMESPACE", true],
  );
  await until(() => socket.disconnected, "the socket is disconnected");
  assert.deepEqual(seen, [["one", 1], ["two"]]);
});

// Seen: `to: []` reached everyone, `in: []` disconnected everyone, and `?in=` was refused. What a
// backend computed as "nobody" was handed on as Socket.IO's io.to([]), which is everyone.
test("an empty list is nobody on every way in, and left out it is everyone", async () => {
  const { socket, seen } = await watch();
  const id = socket.id ?? "";
  const empty = [
    { do: "emit", event: "nobody", to: [] },
    { do: "disconnectSockets", in: [] },
  ];
  for (const type of [JSON_TYPE, MSGPACK]) {
    for (const one of empty) {
      assert.equal((await send("/v1/commands", one, type)).status, 200);
      assert.equal((await send(`/v1/${one.do}`, one, type)).status, 200);
    }
    assert.equal((await send("/v1/commands", empty, type)).status, 200);
  }
  const lines = empty.map((one) => JSON.stringify(one)).join("\n");
  const streamed = await fetch(`${gateway.url}/v1/commands`, {
    method: "POST",
    headers: { authorization: `Bearer ${SECRET}`, "content-type": "application/x-ndjson" },
    body: lines,
  });
  assert.equal(await streamed.text(), '{"ok":true}\n{"ok":true}\n');
  const listed = async (path: string) => (await (await get(path)).json()).sockets;
  assert.deepEqual(await (await send("/v1/fetchSockets", { in: [] })).json(), {
    ok: true,
    sockets: [],
  });
  assert.deepEqual(await listed("/v1/sockets?in="), []);
  assert.equal((await listed("/v1/sockets?except=")).length, 1);
  assert.equal((await listed("/v1/sockets")).length, 1);
  for (const bad of [null, [""], [null], ""]) {
    const refused = await send("/v1/emit", { event: "x", to: bad });
    assert.equal(refused.status, 400, JSON.stringify(bad));
  }
  await send("/v1/emit", { event: "last", to: [id] });
  await until(() => seen.length > 0, "the last event");
  assert.deepEqual(seen, [["last"]]);
  socket.disconnect();
});

test("a bad command anywhere in a batch keeps all of it from being carried out", async () => {
  const { socket, seen } = await watch();
  const good = { do: "emit", event: "never" };
  for (const [type, bad] of [
    [JSON_TYPE, { do: "emit", event: "x", args: [{ $binary: "!" }] }],
    [JSON_TYPE, { do: "disconnectSockets", all: true }],
    [MSGPACK, { do: "emit" }],
  ] as const) {
    const answer = await send("/v1/commands", [good, good, bad], type);
    const problem = await answer.json();
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    assert.deepEqual([answer.status, problem.code, problem.index], [400, "COMMANDS_BAD", 2]);
    assert.ok(problem.path && problem.bound);
  }
  const named = await send("/v1/emit", { do: "disconnectSockets", event: "x" });
  assert.deepEqual([named.status, (await named.json()).path], [400, "do"]);
  assert.equal((await send("/v1/emit", { do: "emit", event: "last" })).status, 200);
  await until(() => seen.length > 0, "the last event");
  assert.deepEqual(seen, [["last"]]);
  socket.disconnect();
});

test("a single command that is refused is a problem of its own status", async () => {
  const answer = await send("/v1/commands", { do: "emit", namespace: "/none", event: "x" });
  const problem = await answer.json();
  assert.deepEqual(
    [answer.status, problem.status, problem.code],
    [404, 404, "COMMANDS_NO_NAMESPACE"],
  );
  assert.deepEqual(await (await send("/v1/commands", [])).json(), []);
});

test("presence pages through rooms and sockets, filtered, and says what is wrong in a query", async () => {
  const all = [await watch(), await watch("msgpack"), await watch()];
  const ids = all.map(({ socket }) => socket.id ?? "").sort();
  gateway.io.in(ids).socketsJoin(["b", "a&b=ü"]);
  gateway.io.in(ids.slice(0, 1)).socketsJoin("one");
  assert.deepEqual(await (await get("/v1/rooms?limit=2")).json(), {
    rooms: [
      { room: "a&b=ü", sockets: 3 },
      { room: "b", sockets: 3 },
    ],
    next: "b",
  });
  assert.deepEqual(await (await get("/v1/rooms?after=b&namespace=%2F")).json(), {
    rooms: [{ room: "one", sockets: 1 }],
  });
  const found: string[] = [];
  let next: string | undefined;
  do {
    const page = await (
      await get(`/v1/sockets?limit=2${next === undefined ? "" : `&after=${next}`}`)
    ).json();
    found.push(...page.sockets.map((one: { id: string }) => one.id));
    next = page.next;
  } while (next !== undefined);
  assert.deepEqual(found, ids);
  const rest = await (await get(`/v1/sockets?in=b&in=one&except=${ids[1]}`)).json();
  assert.deepEqual(
    rest.sockets.map((one: { id: string }) => one.id),
    [ids[0], ids[2]],
  );
  for (const query of ["limit=0", "limit=10001", "limit=x", "namespace=x", "room=b", "in=&in=b"]) {
    const answer = await get(`/v1/sockets?${query}`);
    assert.deepEqual([answer.status, (await answer.json()).code], [400, "API_BAD_QUERY"], query);
  }
  assert.equal((await get("/v1/sockets?limit=10000")).status, 200);
  assert.equal((await get("/v1/rooms?in=b")).status, 400);
  assert.equal((await get("/v1/rooms?namespace=/none")).status, 404);
  assert.equal((await get("/v1/sockets?namespace=/none")).status, 404);
  for (const { socket } of all) socket.disconnect();
});

test("a client that leaves while an acknowledgement is awaited leaves nothing behind", async () => {
  const { socket } = await watch();
  const raw = await openTcp(gateway.port);
  const body = JSON.stringify({ event: "ask", to: [socket.id], timeoutMs: 300 });
  raw.write(
    `POST /v1/emitWithAck HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${SECRET}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const server = gateway.io.of("/").sockets.get(socket.id ?? "");
  const pending = () => (server as unknown as { acks: Map<number, unknown> }).acks.size; // Socket.IO's own map
  await until(() => pending() === 1, "the question is sent");
  raw.close();
  await until(() => pending() === 0, "the question is forgotten");
  const scraped = await gateway.scrape();
  assert.match(scraped, /sluice_api_requests_total\{route="emitWithAck",status="aborted"\} 1/);
  assert.match(scraped, /sluice_commands_total\{command="emitWithAck",caller="api",outcome="ok"\}/);
  socket.disconnect();
});

test("a traceparent that is one is logged with its request, and nothing else of its kind", async () => {
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const api = await startApi(
    {},
    { log: (level, fields) => void lines.push({ level, fields: { ...fields } }) },
  );
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await api.post("/v1/emit", { event: "x" }, { traceparent });
  await api.post("/v1/emit", { event: "x" }, { traceparent: `${traceparent}\t{"x":1}` });
  await api.post("/v1/emit", { event: 5 }, { traceparent });
  assert.deepEqual(lines, [
    { level: "debug", fields: { component: "api", route: "emit", status: 200, traceparent } },
    {
      level: "info",
      fields: { component: "api", route: "emit", status: 400, code: "COMMANDS_BAD", traceparent },
    },
  ]);
});

test("requests that no route takes are counted, too", async () => {
  const count = async (status: number) =>
    Number(
      new RegExp(`sluice_api_requests_total\\{route="none",status="${status}"\\} (\\d+)`).exec(
        await gateway.scrape(),
      )?.[1] ?? 0,
    );
  const before = [await count(404), await count(405)];
  assert.equal((await get("/v1/nothing")).status, 404);
  assert.equal((await get("/v1/emit")).status, 405);
  assert.deepEqual(
    [(await count(404)) - (before[0] ?? 0), (await count(405)) - (before[1] ?? 0)],
    [1, 1],
  );
  const routed = /sluice_api_requests_total\{route="emit",status="200"\} [1-9]/;
  assert.match(await gateway.scrape(), routed);
});

test("a request that is open when the gateway stops is answered, and its connection then ends", async () => {
  const own = await startGateway({
    overload: { enabled: false },
    socket: { port: 0, drainMs: 0 },
    api: { keys: [`tests:${SECRET}`] },
  });
  const client = await connectClient(own.url, "json");
  const raw = await openTcp(own.port);
  const body = JSON.stringify({ event: "ask", timeoutMs: 600 });
  raw.write(
    `POST /v1/emitWithAck HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${SECRET}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await new Promise((resolve) => client.once("ask", resolve));
  await own.stop();
  const answer = await readAnswer(raw);
  assert.deepEqual([answer?.status, answer?.headers.connection], [200, "close"]);
  assert.deepEqual(JSON.parse(answer?.body ?? "").timedOut.length, 1);
  await until(() => raw.isEnded, "the connection ends");
  client.disconnect();
});

test("what one request lists and all await is bounded, and each line of a stream lists by itself", async () => {
  const own = await startGateway({
    overload: { enabled: false },
    socket: { port: 0, drainMs: 0 },
    api: { keys: [`tests:${SECRET}`] },
    fanout: { requestSocketsMax: 1, acksPendingMax: 1 },
  });
  const both = [await connectClient(own.url, "json"), await connectClient(own.url, "json")];
  const ask = (path: string, body: string, type = JSON_TYPE) =>
    fetch(own.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${SECRET}`, "content-type": type },
      body,
    });
  try {
    const line = '{"do":"fetchSockets"}';
    const batch = await ask("/v1/commands", `[${Array(1000).fill(line).join(",")}]`);
    const answers: { ok: boolean; code?: string }[] = await batch.json();
    assert.deepEqual([batch.status, answers.filter(({ ok }) => ok).length], [200, 1]);
    assert.equal(answers[999]?.code, "COMMANDS_TOO_MANY_LISTED");
    const lines = [line, `[${line},${line}]`, "no", line].join("\n");
    const streamed = (await (await ask("/v1/commands", lines, "application/x-ndjson")).text())
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text));
    const codes = streamed.flat().map((one) => one.code ?? one.ok);
    assert.deepEqual(codes, [true, true, "COMMANDS_TOO_MANY_LISTED", "API_BAD_BODY", true]);
    const full = await ask("/v1/emitWithAck", '{"event":"x"}');
    assert.deepEqual([full.status, full.headers.get("retry-after")], [503, "1"]);
    assert.equal((await full.json()).code, "COMMANDS_ACKS_FULL");
    assert.match(await own.scrape(), /sluice_fanout_acks_refused_total 1\n/);
  } finally {
    for (const client of both) client.disconnect();
    await own.stop();
  }
});

test("on a port of its own the API is there and only there", async () => {
  const own = await startGateway({
    overload: { enabled: false },
    socket: { port: 0, drainMs: 0 },
    api: { port: await findFreePort(), host: "127.0.0.1", keys: [`tests:${SECRET}`] },
  });
  try {
    assert.notEqual(own.apiPort, own.port);
    const at = async (port: number, path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      await answer.text();
      return answer;
    };
    for (const path of ["/metrics", "/healthz", "/readyz", "/v1/openapi.json"]) {
      assert.equal((await at(own.apiPort, path)).status, 200, path);
      assert.equal((await at(own.port, path)).status, 404, path);
    }
    assert.equal((await at(own.apiPort, "/socket.io/?EIO=4&transport=polling")).status, 404);
    assert.equal((await at(own.port, "/socket.io/?EIO=4&transport=polling")).status, 200);
    const metrics = await fetch(`http://127.0.0.1:${own.apiPort}/metrics`, {
      headers: { accept: "application/openmetrics-text" },
    });
    assert.match(metrics.headers.get("content-type") ?? "", /openmetrics-text/);
    assert.match(await metrics.text(), /# EOF\n$/);
  } finally {
    await own.stop();
  }
});
