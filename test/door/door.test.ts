import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Log, LogFields } from "../../src/core/log.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type Ask, ask, UPGRADE } from "../harness/http.ts";
import { until } from "../harness/wait.ts";
import { openTcp } from "../harness/wire-tcp.ts";

const POLL = "/socket.io/?EIO=4&transport=polling";
const WS = "/socket.io/?EIO=4&transport=websocket";

async function open(t: TestContext, settings: PartialSettings = {}) {
  const gateway = await testGateway(t, settings);
  return {
    gateway,
    poll: (given?: Ask, query = "") => ask(`${gateway.url}${POLL}${query}`, given),
    upgrade: (headers: Record<string, string> = {}, query = "") =>
      ask(`${gateway.url}${WS}${query}`, { headers: { ...UPGRADE, ...headers } }),
  };
}

const refused = (gateway: TestGateway, reason: string) =>
  gateway.metric("sluice_handshakes_refused_total", { reason });
const codeOf = ({ body }: { body: string }): string => JSON.parse(body).code;

test("a page of another host gets no WebSocket and no poll, one of the same host does", async (t) => {
  const { gateway, poll, upgrade } = await open(t);
  const evil = { origin: "https://evil.example" };
  for (const answer of [await upgrade(evil), await poll({ headers: evil })]) {
    assert.equal(answer.status, 403);
    assert.equal(codeOf(answer), "ORIGIN_FORBIDDEN");
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
  }
  assert.equal(await refused(gateway, "origin_forbidden"), 2);
  const own = { origin: gateway.url };
  const switched = await upgrade(own);
  assert.equal(switched.status, 101);
  assert.equal(switched.headers.vary, undefined, "browsers apply no CORS to WebSockets");
  const answer = await poll({ headers: own });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["access-control-allow-origin"], gateway.url);
  assert.equal((await upgrade()).status, 101, "not a browser");
});

test("a refused origin is logged with itself and the setting that would let it in", async (t) => {
  // Seen: "This origin may not connect", of nobody knew whom. The line had the address alone.
  const lines: LogFields[] = [];
  const log: Log = (_level, fields) => void lines.push(fields);
  const gateway = await testGateway(t, { socket: { originless: false } }, { log });
  const origin = `https://app.example${"x".repeat(1000)}`;
  await ask(`${gateway.url}${POLL}`, { headers: { origin } });
  const [line] = lines.filter(({ code }) => code === "ORIGIN_FORBIDDEN");
  assert.equal(line?.setting, "socket.origins");
  assert.equal(line?.origin, origin.slice(0, 300), "and no more of it than a browser sends");
  assert.equal(line?.host, new URL(gateway.url).host);
  const none = await testGateway(t, { socket: { originless: false } }, { log });
  await ask(`${none.url}${POLL}`);
  assert.equal(lines.at(-1)?.setting, "socket.originless");
});

test("a session of one page is not served to another origin", async (t) => {
  const { poll } = await open(t);
  const { body } = await poll();
  const { sid } = JSON.parse(body.slice(1));
  const answer = await poll({ headers: { origin: "https://evil.example" } }, `&sid=${sid}`);
  assert.equal(codeOf(answer), "ORIGIN_FORBIDDEN");
});

test("an allowed page's preflight, poll and post carry CORS headers", async (t) => {
  const origin = "https://app.example";
  const { poll } = await open(t, { socket: { origins: [origin] } });
  const asked = { origin, "access-control-request-method": "POST" };
  const preflight = await poll({
    method: "OPTIONS",
    headers: { ...asked, "access-control-request-headers": "authorization" },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.body, "");
  assert.equal(preflight.headers["access-control-allow-origin"], origin);
  assert.equal(preflight.headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
  assert.equal(preflight.headers["access-control-allow-headers"], "authorization");
  const first = await poll({ headers: { origin } });
  assert.equal(first.headers["access-control-allow-origin"], origin);
  assert.equal(first.headers["access-control-allow-credentials"], "true");
  assert.match(String(first.headers.vary), /Origin/);
  const { sid } = JSON.parse(first.body.slice(1));
  const post = await poll({ method: "POST", headers: { origin }, body: "40" }, `&sid=${sid}`);
  assert.equal(post.status, 200);
  assert.equal(post.headers["access-control-allow-origin"], origin);
  const other = await poll({
    method: "OPTIONS",
    headers: { ...asked, origin: "https://x.example" },
  });
  assert.equal(other.status, 403);
  assert.equal(other.headers["access-control-allow-origin"], undefined);
});

test("clients that are no browsers are refused where settings say so", async (t) => {
  const { upgrade, poll } = await open(t, { socket: { originless: false } });
  assert.equal((await upgrade()).status, 403);
  assert.equal((await poll()).status, 403);
});

test("one connection above a limit is refused on both transports, and let in when one has left", async (t) => {
  const { gateway, poll, upgrade } = await open(t, { limits: { addressConnectionsMax: 2 } });
  const client = await gateway.connected();
  await gateway.connected({ transports: ["polling"] });
  for (const answer of [await upgrade(), await poll()]) {
    assert.equal(answer.status, 429);
    assert.equal(codeOf(answer), "LIMIT_ADDRESS_CONNECTIONS");
    assert.ok(Number(answer.headers["retry-after"]) >= 5);
  }
  assert.equal(await refused(gateway, "limit_address_connections"), 2);
  client.disconnect();
  await until(async () => (await upgrade()).status === 101, "there is room again");
});

test("limits in all, on polling, on sizes answer with their status and code", async (t) => {
  const cases: [PartialSettings["limits"], string, number, Ask | undefined, string][] = [
    [{ connectionsMax: 1 }, "LIMIT_CONNECTIONS", 503, undefined, ""],
    [{ pollingConnectionsMax: 1 }, "LIMIT_POLLING", 503, undefined, ""],
    [{ queryBytesMax: 100 }, "LIMIT_QUERY", 414, undefined, `&x=${"x".repeat(100)}`],
    [{ headerBytesMax: 300 }, "LIMIT_HEADERS", 431, { headers: { cookie: "c".repeat(300) } }, ""],
  ];
  for (const [limits, code, status, given, query] of cases) {
    const { gateway, poll } = await open(t, { limits });
    await gateway.connected({ transports: ["polling"] });
    const answer = await poll(given, query);
    assert.deepEqual([answer.status, codeOf(answer)], [status, code]);
    assert.equal(await refused(gateway, code.toLowerCase()), 1);
  }
});

test("handshakes above their rate are told when to come back; a failed one counts too", async (t) => {
  const { gateway, poll, upgrade } = await open(t, {
    limits: { addressHandshakesPerSecond: 1, addressHandshakesBurst: 3 },
  });
  for (let i = 0; i < 3; i++) assert.equal((await poll({ method: "PUT" })).status, 400);
  const answer = await upgrade();
  assert.equal(answer.status, 429);
  assert.equal(codeOf(answer), "LIMIT_ADDRESS_HANDSHAKES");
  assert.ok(Number(answer.headers["retry-after"]) >= 1);
  assert.equal(await refused(gateway, "limit_address_handshakes"), 1);
});

test("behind a trusted proxy each client has limits of its own, without one headers change nothing", async (t) => {
  const limits = { addressConnectionsMax: 1 };
  const direct = await open(t, { limits });
  await direct.gateway.connected({ headers: { "x-forwarded-for": "203.0.113.1" } });
  assert.equal((await direct.poll({ headers: { "x-forwarded-for": "203.0.113.2" } })).status, 429);

  const proxied = await open(t, { limits, socket: { trustProxy: ["loopback"] } });
  let address = "";
  proxied.gateway.io.on("connection", (socket) => {
    address = socket.handshake.address;
  });
  await proxied.gateway.connected({ headers: { "x-forwarded-for": "6.6.6.6, 203.0.113.1" } });
  assert.equal(address, "203.0.113.1");
  assert.equal((await proxied.poll({ headers: { "x-forwarded-for": "203.0.113.2" } })).status, 200);
  assert.equal((await proxied.poll({ headers: { "x-forwarded-for": "203.0.113.1" } })).status, 429);
  const block = "2001:db8:0:1";
  assert.equal((await proxied.poll({ headers: { "x-forwarded-for": `${block}::1` } })).status, 200);
  assert.equal((await proxied.poll({ headers: { "x-forwarded-for": `${block}::2` } })).status, 429);
});

test("the PROXY protocol v2 names the client where it is switched on, and nowhere else", async (t) => {
  for (const proxyProtocol of [true, false]) {
    const { gateway } = await open(t, { socket: { proxyProtocol } });
    const seen: string[] = [];
    gateway.io.engine.on("connection", (conn: { remoteAddress: string }) => {
      seen.push(conn.remoteAddress);
    });
    const tcp = await openTcp(gateway.port);
    t.after(() => tcp.close());
    const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
    // Version 2, PROXY; TCP over IPv4; 12 bytes: 203.0.113.7 → 127.0.0.1, ports 4711 → 80.
    const addresses = Buffer.from("2111000ccb0071077f00000112670050", "hex");
    tcp.write(Buffer.concat([signature, addresses]));
    tcp.write(`GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(() => seen.length === 1, "a session was made");
    assert.deepEqual(seen, [proxyProtocol ? "203.0.113.7" : "127.0.0.1"]);
  }
});

test("an error answer leaves the connection open for the next request", async (t) => {
  const { gateway } = await open(t, { limits: { queryBytesMax: 64 } });
  const tcp = await openTcp(gateway.port);
  t.after(() => tcp.close());
  tcp.write(`GET ${POLL}&x=${"x".repeat(64)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await tcp.readThrough("LIMIT_QUERY");
  tcp.write(`GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await tcp.readThrough('"sid"');
});

test("an error answer says that it is no page and not to be kept", async (t) => {
  const { gateway, poll } = await open(t);
  const refused = await poll({ headers: { origin: "https://evil.example" } });
  const unknown = await ask(`${gateway.url}/socket.io/?EIO=4&transport=nonsense`);
  for (const { headers } of [refused, unknown]) {
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["content-type"], "application/json");
  }
});

test("a proxy that nobody named is said once, because all its clients share limits", async (t) => {
  const lines: string[] = [];
  const log = (_level: string, _fields: object, text: string) => lines.push(text);
  const gateway = await testGateway(t, {}, { log });
  const named = await testGateway(t, { socket: { trustProxy: ["loopback"] } }, { log });
  for (const { url } of [gateway, named, gateway]) {
    await ask(`${url}${POLL}`, { headers: { "x-forwarded-for": "203.0.113.1" } });
  }
  assert.equal(lines.filter((line) => line.startsWith("X-Forwarded-For is ignored")).length, 1);
});

// `?sid=` was a first request for Engine.IO and a later one for the door: it passed every limit.
// An empty sid names no session, so it must be counted, refused and drained as none at all.
test("a request with an empty sid is a handshake like any other", async (t) => {
  const limits = { addressConnectionsMax: 1 };
  const { gateway, poll, upgrade } = await open(t, { limits });
  assert.equal((await poll({}, "&sid=")).status, 200, "it is a handshake");
  assert.equal(codeOf(await poll({}, "&sid=")), "LIMIT_ADDRESS_CONNECTIONS");
  assert.equal(codeOf(await upgrade({}, "&sid=")), "LIMIT_ADDRESS_CONNECTIONS");
  assert.equal(await refused(gateway, "limit_address_connections"), 2);
});

test("a draining or loaded gateway refuses handshakes with an empty sid too", async (t) => {
  const load = () => ({ lagMs: 0, memoryPercent: 100 });
  const overload = { enabled: true, sampleMs: 50 };
  const gateway = await testGateway(t, { overload }, { load });
  const shake = () => ask(`${gateway.url}${POLL}&sid=`);
  await until(async () => (await shake()).status === 503, "it is shed");
  assert.equal(codeOf(await shake()), "OVERLOADED");
  const calm = await testGateway(t, { socket: { drainMs: 2000 } });
  await calm.connected({ reconnection: false });
  await calm.connected({ reconnection: false });
  const stopping = calm.stop();
  const answer = await ask(`${calm.url}${POLL}&sid=`);
  assert.equal(answer.status, 503);
  await stopping;
});
