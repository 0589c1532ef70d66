/** Engine.IO protocol v4, over the wire, against the stock implementation and against Sluice. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Socket } from "socket.io";
import { until } from "../harness/wait.ts";
import { formatRequest, type HttpAnswer, readAnswer, request } from "../harness/wire-http.ts";
import { enginePath, openSession, type Session } from "../harness/wire-io.ts";
import { openTcp } from "../harness/wire-tcp.ts";
import { OP, openWs, UpgradeRefused } from "../harness/wire-ws.ts";
import { createContractApp } from "./app.ts";
import { ERRORS, HTTP_ROWS, type HttpRow } from "./engine-rows.ts";
import { orderly, type Started, TARGETS, type Target } from "./targets.ts";

const BYTES_MAX = 100_000;

type Handshake = Socket["handshake"];

for (const target of TARGETS.filter((one) => one.name !== "stock/msgpack")) {
  describe(`Engine.IO: ${target.name}`, () => suite(target));
}

function suite(target: Target): void {
  let started: Started;
  let port = 0;
  const handshakes: Handshake[] = [];
  before(async () => {
    const options = { maxHttpBufferSize: BYTES_MAX, upgradeTimeout: 500 };
    started = await target.start(options, (io) => {
      createContractApp().install(io);
      io.on("connection", ({ handshake }) => void handshakes.push(handshake));
    });
    port = started.port;
  });
  after(() => started.stop());

  for (const row of HTTP_ROWS) {
    test(`${row.title} is answered ${row.status}`, () => checkHttp(port, row));
  }

  test("a handshake tells the session's id, upgrades, heartbeat and largest payload", async () => {
    const answer = await request(port, { path: enginePath("transport=polling") });
    assert.equal(answer.status, 200);
    assert.match(answer.headers["content-type"] ?? "", /^text\/plain; charset=utf-8$/i);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.equal(answer.body[0], "0");
    const open = JSON.parse(answer.body.slice(1));
    assert.match(open.sid, /^[\w-]{20}$/);
    assert.deepEqual(open, {
      sid: open.sid,
      upgrades: ["websocket"],
      pingInterval: 25_000,
      pingTimeout: 20_000,
      maxPayload: BYTES_MAX,
    });
  });

  test("headers that came twice are one for the application, whatever their names", async () => {
    // Seen: two cookie headers joined by a comma, which no cookie parser reads, and a header
    // `constructor` that began with a function's source. Joining looked at what an object inherits.
    const twice = "Cookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\nConstructor: c\r\n\r\n";
    const polling = enginePath("transport=polling");
    const tcp = await openTcp(port);
    tcp.write(`GET ${polling} HTTP/1.1\r\nHost: a\r\n${twice}`);
    const { sid } = JSON.parse((await readAnswer(tcp)).body.slice(1));
    handshakes.length = 0;
    await request(port, { method: "POST", path: `${polling}&sid=${sid}`, body: "40" });
    await until(() => handshakes.length > 0, "the application's connection");
    const { cookie, constructor: odd, "x-a": joined } = handshakes[0]?.headers ?? {};
    assert.deepEqual([cookie, String(odd), joined], ["a=1; b=2", "c", "1, 2"]);
    await request(port, { method: "POST", path: `${polling}&sid=${sid}`, body: "1" });
    tcp.close();
  });

  test("a WebSocket handshake offers no upgrades", async () => {
    const session = await openSession(port, "websocket");
    assert.deepEqual(session.open.upgrades, []);
    session.close();
  });

  test("a connection survives an error answer and serves the next request", async () => {
    const tcp = await openTcp(port);
    for (const query of ["", "transport=polling&sid=nope", "transport=polling"]) {
      tcp.write(formatRequest({ path: enginePath(query) }));
      assert.equal((await readAnswer(tcp)).status, query === "transport=polling" ? 200 : 400);
    }
    tcp.close();
  });

  test("a payload of exactly the limit is taken", async () => {
    const session = await openSession(port, "polling");
    await session.send("40");
    assert.match(String(await session.next()), /^40/);
    const body = `42["say","${"é".repeat((BYTES_MAX - 12) / 2)}"]`;
    assert.equal(Buffer.byteLength(body), BYTES_MAX);
    await session.send(body);
    assert.match(String(await session.next()), /^42\["said"/);
    session.close();
  });

  test("a payload in chunks is taken, in whatever pieces it comes, and the next request too", async () => {
    // Seen: 411 and the end of the session for a client in Go. Without a Content-Length a payload
    // was taken for one that no client sends.
    const session = await openSession(port, "polling");
    await session.send("40");
    assert.match(String(await session.next()), /^40/);
    const body = `6\x1e42["say","${"é".repeat(20_000)}"]`;
    const tcp = await openTcp(port);
    const head = `POST ${session.path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = (bytes: Buffer) =>
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
    const bytes = Buffer.from(body);
    tcp.write(head);
    // An é and a packet are cut in two.
    for (const [from, to] of [
      [0, 1],
      [1, 14],
      [14, 5000],
      [5000, bytes.length],
    ]) {
      tcp.write(chunk(bytes.subarray(from, to)));
      await settled(port);
    }
    tcp.write("0\r\n\r\n");
    assert.equal((await readAnswer(tcp)).body, "ok");
    assert.match(String(await session.next()), /^42\["said"/);
    tcp.write(formatRequest({ method: "POST", path: session.path, body: "1" }));
    assert.equal((await readAnswer(tcp)).body, "ok");
    await isGone(port, session);
    tcp.close();
  });

  test("two polls at once close the session", async () => {
    const session = await openSession(port, "polling");
    const first = await sendPoll(port, session);
    const second = await request(port, { path: session.path });
    assert.equal(second.status, 400);
    const pending = await readAnswer(first);
    assert.deepEqual([pending.status, pending.body], [200, "1"]);
    await isGone(port, session);
  });

  test("two payloads at once close the session", async () => {
    const session = await openSession(port, "polling");
    const tcp = await openTcp(port);
    tcp.write(formatRequest({ method: "POST", path: session.path, body: "40" }).subarray(0, -1));
    // The first is under way for sure once a poll of the same session, sent after it, waits.
    await settled(port);
    const second = await request(port, { method: "POST", path: session.path, body: "40" });
    assert.equal(second.status, 400);
    await isGone(port, session);
    tcp.close();
    session.close();
  });

  test("a close packet answers the pending poll with a noop", async () => {
    const session = await openSession(port, "polling");
    const pending = await sendPoll(port, session);
    await session.send("1");
    const answer = await readAnswer(pending);
    assert.deepEqual([answer.status, answer.body], [200, "6"]);
    await isGone(port, session);
  });

  test("a poll that ends early closes the session", async () => {
    const session = await openSession(port, "polling");
    (await sendPoll(port, session)).close("reset");
    await isGone(port, session);
  });

  for (const [bad, what, reason] of [
    ["2", "a ping", "transport_error"],
    ["x", "an unknown packet type", "bad_packet"],
    ["", "an empty message", "bad_packet"],
  ] as const) {
    test(`${what} over WebSocket closes the session`, async () => {
      const session = await openSession(port, "websocket");
      await session.send(bad);
      orderly((await session.ended()).code, reason);
    });
  }

  for (const [title, query, code] of [
    ["an unknown transport", "transport=abc", 0],
    ["no transport", "", 0],
    ["an unknown sid", "transport=websocket&sid=nope", 1],
    ["sid=__proto__", "transport=websocket&sid=__proto__", 1],
    ["sid=constructor", "transport=websocket&sid=constructor", 1],
  ] as const) {
    test(`an upgrade with ${title} is answered 400`, async () => {
      const answer = await refusedUpgrade(port, enginePath(query));
      assert.equal(answer.status, 400);
      assert.match(answer.body, new RegExp(ERRORS[code] ?? "?"));
    });
  }

  test("an upgrade with EIO=3 where it is off does not become a session", async () => {
    await assert.rejects(openSession(port, "websocket", { query: "&EIO=3&transport=x" }));
    await neverSpeaks(port, "/socket.io/?EIO=3&transport=websocket");
  });

  test("an upgrade with transport=polling does not become a session", () =>
    neverSpeaks(port, enginePath("transport=polling")));

  test("a probe is answered, releases the pending poll, and moves the session", async () => {
    const session = await openSession(port, "polling");
    const pending = await sendPoll(port, session);
    const ws = await openWs(port, enginePath(`transport=websocket&sid=${session.sid}`));
    ws.send("2probe");
    assert.equal((await ws.next()).payload.toString(), "3probe");
    const released = await readAnswer(pending);
    assert.deepEqual([released.status, released.body], [200, "6"]);
    ws.send("5");
    ws.send("40");
    assert.match((await ws.next()).payload.toString(), /^40/);
    const late = await request(port, { path: session.path });
    assert.deepEqual([late.status, JSON.parse(late.body).code], [400, 3]);
    ws.tcp.close();
    session.close();
  });

  test("a second upgrade of the same session is closed, and the first is unharmed", async () => {
    const session = await openSession(port, "upgraded");
    await neverSpeaks(port, enginePath(`transport=websocket&sid=${session.sid}`));
    await session.send("40");
    assert.match(String(await session.next()), /^40/);
    session.close();
  });

  test("a second probe while one is under way is closed, and the first goes on", async () => {
    const session = await openSession(port, "polling");
    const path = enginePath(`transport=websocket&sid=${session.sid}`);
    const ws = await openWs(port, path);
    await neverSpeaks(port, path);
    ws.send("2probe");
    assert.equal((await ws.next()).payload.toString(), "3probe");
    ws.tcp.close();
    session.close();
  });

  test("a wrong probe closes its WebSocket and leaves the session to polling", async () => {
    const session = await openSession(port, "polling");
    const ws = await openWs(port, enginePath(`transport=websocket&sid=${session.sid}`));
    ws.send("2nope");
    orderly((await ws.ended()).code);
    await isAlive(session);
  });

  test("an upgrade that is not finished in time leaves the session to polling", async () => {
    const session = await openSession(port, "polling");
    const ws = await openWs(port, enginePath(`transport=websocket&sid=${session.sid}`));
    ws.send("2probe");
    assert.equal((await ws.next()).payload.toString(), "3probe");
    orderly((await ws.ended()).code);
    await isAlive(session);
  });
}

async function checkHttp(port: number, row: HttpRow): Promise<void> {
  const session = row.query.includes("$sid") ? await openSession(port, "polling") : undefined;
  const answer = await request(port, {
    method: row.method ?? "GET",
    path: `/socket.io/?${row.query.replace("$sid", session?.sid ?? "")}`,
    ...(row.headers && { headers: row.headers }),
    ...(row.body !== undefined && { body: row.body }),
  });
  assert.equal(answer.status, row.status, answer.body);
  if (typeof row.answer === "string") assert.equal(answer.body, row.answer);
  if (typeof row.answer === "number") {
    const object = { code: row.answer, message: ERRORS[row.answer] };
    assert.deepEqual(JSON.parse(answer.body), object);
    assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
  }
  if (session && row.session === "gone") await isGone(port, session);
  if (session && row.session === "alive") await isAlive(session);
  session?.close();
}

/** Sends a poll and returns once the server has it: answers come in order of arrival. */
async function sendPoll(port: number, session: Session) {
  const tcp = await openTcp(port);
  tcp.write(formatRequest({ path: session.path }));
  await settled(port);
  return tcp;
}

/** Two round trips on new connections: by then the server has read what was written before. */
async function settled(port: number): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await request(port, { path: enginePath("") });
}

async function isGone(port: number, session: Session): Promise<void> {
  const answer = await request(port, { path: session.path });
  assert.deepEqual([answer.status, JSON.parse(answer.body).code], [400, 1]);
  session.close();
}

async function isAlive(session: Session): Promise<void> {
  await session.send("40");
  assert.match(String(await session.next()), /^40/);
  session.close();
}

async function refusedUpgrade(port: number, path: string): Promise<HttpAnswer> {
  try {
    await openWs(port, path);
  } catch (error) {
    if (error instanceof UpgradeRefused) return error.answer;
    throw error;
  }
  throw new Error("the upgrade was accepted");
}

/**
 * Passes if no session comes of this upgrade: it is refused, cut, or switched and closed at once.
 * The reference does the last, after the WebSocket handshake; a gateway may say no before it.
 */
async function neverSpeaks(port: number, path: string): Promise<void> {
  try {
    const ws = await openWs(port, path);
    const frame = await ws.next().catch(() => undefined);
    if (frame !== undefined && frame.opcode !== OP.close) {
      // Without `allowEIO3` the reference writes an HTTP answer into the switched connection.
      assert.match(frame.payload.toString("latin1"), /400 Bad Request/);
    }
    ws.tcp.close();
  } catch (error) {
    if (error instanceof UpgradeRefused) assert.equal(error.answer.status, 400);
    else assert.equal((error as Error).name, "WireEnded");
  }
}
