import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { startApi } from "../harness/api.ts";
import { createGate } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { readAnswer, readAnswers } from "../harness/wire-http.ts";
import { openTcp, type Tcp } from "../harness/wire-tcp.ts";

const EMIT = '{"event":"x"}';
const fill = (bytes: number) => `${EMIT.slice(0, -1)}${" ".repeat(bytes - EMIT.length)}}`;
const codeOf = async (answer: Response) => (await answer.json()).code;
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

test("a body of bodyBytesMax is taken and one byte more is a 413, connection unharmed", async () => {
  const api = await startApi({ bodyBytesMax: 1024 });
  assert.equal((await api.post("/v1/emit", fill(1024))).status, 200);
  const answer = await api.post("/v1/emit", fill(1025));
  assert.deepEqual([answer.status, await codeOf(answer)], [413, "API_BODY_TOO_LARGE"]);
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/emit", { "content-length": 1025 }) + fill(1025));
  raw.write(api.head("/v1/emit", { "content-length": EMIT.length }) + EMIT);
  assert.deepEqual(
    (await readAnswers(raw, 2)).map((one) => one.status),
    [413, 200],
  );
  raw.close();
  assert.equal(api.applied.length, 2);
  assert.equal(api.api.samples().openBodies, 0);
});

test("a chunked body without a length is bounded by what arrives", async () => {
  const api = await startApi({ bodyBytesMax: 1024 });
  for (const [size, status] of [
    [1024, 200],
    [1025, 413],
  ] as const) {
    const raw = await openTcp(api.on.port);
    raw.write(api.head("/v1/emit", { "transfer-encoding": "chunked" }));
    const body = fill(size);
    raw.write(chunked(body.slice(0, 700)));
    raw.write(`${chunked(body.slice(700))}0\r\n\r\n`);
    assert.equal((await readAnswer(raw)).status, status);
    raw.close();
  }
  assert.equal(api.api.samples().openBodies, 0);
});

test("a body of tiny chunks is refused before it costs more than others", async () => {
  // Seen: a body of a million chunks of one byte took 150 MB while it arrived: each was kept as a
  // buffer of its own.
  const api = await startApi({ bodyBytesMax: 1_000_000 });
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/emit", { "transfer-encoding": "chunked" }));
  raw.write("1\r\n \r\n".repeat(16_000));
  raw.write(`${chunked(EMIT)}0\r\n\r\n`);
  assert.equal((await readAnswer(raw)).status, 200);
  raw.write(api.head("/v1/emit", { "transfer-encoding": "chunked" }));
  raw.write("1\r\n \r\n".repeat(20_000));
  assert.equal((await readAnswer(raw)).status, 413);
  raw.close();
  assert.equal(api.api.samples().openBodies, 0);
});

test("a body that does not arrive within bodyMs is a 408 that ends its connection", async () => {
  const api = await startApi({ bodyMs: 100 });
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/emit", { "content-length": 500 }));
  raw.write("{");
  const answer = await readAnswer(raw);
  assert.equal(answer?.status, 408);
  assert.equal(answer?.headers["content-type"], "application/problem+json");
  assert.equal(JSON.parse(answer?.body ?? "").code, "API_BODY_TOO_SLOW");
  await until(() => raw.isEnded, "the connection ends");
  assert.equal(api.api.samples().openBodies, 0);
  assert.equal(api.on.http.open, 0);
});

test("bodyMs holds where uWebSockets.js alone would have cut the connection without an answer", async () => {
  // Seen: a slow body was aborted after ten seconds; a throughput of its own is asked for there.
  const api = await startApi({ bodyMs: 13_000 });
  const [nothing, little] = [await openTcp(api.on.port), await openTcp(api.on.port)];
  for (const raw of [nothing, little]) raw.write(api.head("/v1/emit", { "content-length": 500 }));
  little.write("{");
  await until(() => nothing.isEnded && little.isEnded, "both are over", 30_000);
  for (const raw of [nothing, little]) assert.equal((await readAnswer(raw)).status, 408);
  assert.equal(api.api.samples().openBodies, 0);
});

test("half a body whose client leaves executes nothing and leaves nothing behind", async () => {
  const api = await startApi();
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/emit", { "content-length": EMIT.length }) + EMIT.slice(0, 5));
  await until(() => api.api.samples().openBodies === 1, "the body is being read");
  raw.close();
  await until(() => api.api.samples().openBodies === 0, "the body is given up");
  await until(() => api.answered.length === 1, "it is counted");
  assert.deepEqual(api.answered, ["emit 0"]);
  assert.equal(api.on.http.open, 0);
  assert.deepEqual(api.applied, []);
});

test("bodiesMax bodies are read at once, one more is a 503 to retry, and places come back", async () => {
  const api = await startApi({ bodiesMax: 2 });
  const head = api.head("/v1/emit", { "content-length": EMIT.length });
  const slow = [await openTcp(api.on.port), await openTcp(api.on.port)];
  for (const raw of slow) raw.write(head + EMIT.slice(0, 5));
  await until(() => api.api.samples().openBodies === 2, "both are being read");
  const over = await api.post("/v1/emit", EMIT);
  assert.deepEqual([over.status, over.headers.get("retry-after")], [503, "1"]);
  assert.equal(await codeOf(over), "API_BUSY");
  for (const raw of slow) raw.write(EMIT.slice(5));
  for (const raw of slow) assert.equal((await readAnswer(raw)).status, 200);
  assert.equal((await api.post("/v1/emit", EMIT)).status, 200);
  for (const raw of slow) raw.close();
});

test("whoever has no key or a false token never holds a place among the bodies", async () => {
  let checks = 0;
  const checkToken = async (): Promise<never> => {
    checks++;
    throw new Error("false");
  };
  const api = await startApi({ bodiesMax: 1 }, { checkToken });
  const credentials = ["Bearer wrong", "Bearer a.b.c", "Basic eDp5", ""];
  for (const authorization of credentials) {
    const raw = await openTcp(api.on.port);
    raw.write(api.head("/v1/emit", { authorization, "content-length": 1000 }));
    const answer = await readAnswer(raw);
    assert.equal(answer?.status, 401, authorization);
    assert.equal(answer?.headers["www-authenticate"], "Bearer");
    assert.equal(api.api.samples().openBodies, 0);
    raw.close();
  }
  assert.equal(checks, 1, "only what looks like a token is checked");
  assert.equal((await api.post("/v1/emit", EMIT)).status, 200);
});

// While a key set did not answer, whoever sent bodiesMax false tokens kept the bearers of keys out: a
// request held its place from its first byte, and only then was it asked who sent it.
test("requests whose tokens are still being checked keep nobody else out", async () => {
  const gate = createGate();
  const checkToken = () => gate.passed.then(() => Promise.reject(new Error("false")));
  const api = await startApi({ bodiesMax: 1 }, { checkToken });
  const authorization = "Bearer a.b.c";
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/emit", { authorization, "content-length": EMIT.length }));
  await until(() => api.api.samples().openBodies === 1, "its token is being checked");
  assert.equal((await api.post("/v1/emit", EMIT)).status, 200);
  const streamed = { "content-type": "application/x-ndjson" };
  assert.equal((await api.post("/v1/commands", "", streamed)).status, 200);
  assert.equal(
    (await api.post("/v1/emit", EMIT, { authorization })).status,
    503,
    "they are bounded",
  );
  gate.open();
  assert.equal((await readAnswer(raw)).status, 401);
  assert.equal(api.api.samples().openBodies, 0);
  raw.close();
});

test("a token that was found good takes a place among the known, if there is one", async () => {
  const gate = createGate();
  const checkToken = () => gate.passed.then(() => ({ exp: 9_999_999_999, sub: "x", sluice: {} }));
  const api = await startApi({ bodiesMax: 1 }, { checkToken });
  const authorization = "Bearer a.b.c";
  const [token, key] = [await openTcp(api.on.port), await openTcp(api.on.port)];
  const half = { "content-length": EMIT.length };
  token.write(api.head("/v1/emit", { ...half, authorization }) + EMIT.slice(0, 5));
  key.write(api.head("/v1/emit", half) + EMIT.slice(0, 5));
  await until(() => api.api.samples().openBodies === 2, "one is known, one is being checked");
  gate.open();
  assert.equal((await readAnswer(token)).status, 503);
  key.write(EMIT.slice(5));
  assert.equal((await readAnswer(key)).status, 200);
  assert.equal((await api.post("/v1/emit", EMIT, { authorization })).status, 200);
  assert.equal(api.api.samples().openBodies, 0);
  token.close();
  key.close();
});

test("a body of another or no Content-Type is a 415, and UTF-8 is the only charset", async () => {
  const api = await startApi();
  const types = ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp"];
  types.push("application/json; charset=latin1", "application/+json", "json", "+json");
  for (const type of types) {
    const answer = await api.post("/v1/emit", EMIT, { "content-type": type });
    assert.deepEqual([answer.status, await codeOf(answer)], [415, "API_BAD_TYPE"], type);
  }
  const streamed = await api.post("/v1/emit", EMIT, { "content-type": "application/x-ndjson" });
  assert.equal(streamed.status, 415, "one command's route takes no stream");
  const good = ["application/json; charset=UTF-8", "Application/JSON", "text/json"];
  good.push("application/vnd.api+json", 'application/json;charset="utf8"');
  for (const type of [...good, "application/json; charset=us-ascii"]) {
    assert.equal((await api.post("/v1/emit", EMIT, { "content-type": type })).status, 200, type);
  }
});

// Seen: curl --compressed and agents that compress what they send got a 400, for bytes that are no
// JSON: no Content-Encoding was looked at.
test("a compressed body is inflated, up to bodyBytesMax and not one byte more", async () => {
  const api = await startApi({ bodyBytesMax: 2000 });
  const text = (bytes: number) => {
    const start = '{"event":"x","args":["';
    return `${start}${"a".repeat(bytes - start.length - 3)}"]}`;
  };
  const ways: [string, (text: string) => Buffer][] = [
    ["gzip", gzipSync],
    ["X-GZIP", gzipSync],
    ["gzip, identity", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["Identity", Buffer.from],
  ];
  for (const [coding, compress] of ways) {
    const encoded = { "content-encoding": coding };
    const most = await api.post("/v1/emit", compress(text(2000)), encoded);
    assert.equal(most.status, 200, coding);
    const over = await api.post("/v1/emit", compress(text(2001)), encoded);
    assert.deepEqual([over.status, await codeOf(over)], [413, "API_BODY_TOO_LARGE"], coding);
  }
  assert.equal(api.applied.length, ways.length);
  const bomb = gzipSync(Buffer.alloc(1_000_000));
  assert.ok(bomb.length < 2000);
  const encoded = { "content-encoding": "gzip" };
  assert.equal((await api.post("/v1/commands", bomb, encoded)).status, 413);
  for (const broken of [gzipSync(text(100)).subarray(0, 30), Buffer.from(text(100))]) {
    const answer = await api.post("/v1/emit", broken, encoded);
    assert.deepEqual([answer.status, await codeOf(answer)], [400, "API_BAD_BODY"]);
  }
  const msgpack = { ...encoded, "content-type": "application/msgpack" };
  const packed = gzipSync(api.packer.encode({ event: "x", args: [Buffer.from([1])] }));
  assert.equal((await api.post("/v1/emit", packed, msgpack)).status, 200);
  assert.equal(api.api.samples().openBodies, 0);
});

test("a coding that is not known is a 415 that names those that are; a stream has none", async () => {
  const api = await startApi();
  const ndjson = { "content-type": "application/x-ndjson" };
  const cases: [string, Record<string, string>][] = [
    ["/v1/emit", { "content-encoding": "zstd" }],
    ["/v1/emit", { "content-encoding": "gzip, gzip" }],
    ["/v1/commands", { "content-encoding": "gzip", ...ndjson }],
  ];
  for (const [path, headers] of cases) {
    const answer = await api.post(path, gzipSync('{"event":"x"}'), headers);
    assert.deepEqual([answer.status, await codeOf(answer)], [415, "API_BAD_ENCODING"]);
    assert.equal(answer.headers.get("accept-encoding"), "gzip, deflate, br");
  }
  const line = '\ufeff{"do":"emit","event":"x"}\n';
  const plain = await api.post("/v1/commands", line, { "content-encoding": "identity", ...ndjson });
  assert.equal(await plain.text(), '{"ok":true}\n');
  assert.equal(api.applied.length, 1);
});

test("a body that is no JSON, no UTF-8 or no msgpack is a 400 that says so", async () => {
  const api = await startApi();
  const json = { "content-type": "application/json" };
  const msgpack = { "content-type": "application/msgpack" };
  const bad: [string | Uint8Array, Record<string, string>][] = [
    ["", json],
    ["{", json],
    ['{"event":"x"} trailing', json],
    [Buffer.from([0x22, 0xff, 0x22]), json],
    [Buffer.from([0xc1]), msgpack],
    [Buffer.from([0x01, 0x02]), msgpack],
    [Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]), msgpack],
    [Buffer.alloc(0), msgpack],
  ];
  for (const [body, type] of bad) {
    const answer = await api.post("/v1/emit", body, type);
    const problem = await answer.json();
    assert.deepEqual([answer.status, problem.code], [400, "API_BAD_BODY"], String(body));
    assert.ok(problem.detail.length > 5);
  }
  assert.deepEqual(api.applied, []);
});

test("every error leaves the connection to the next request", async () => {
  const api = await startApi();
  const raw = await openTcp(api.on.port);
  const send = (fields: Record<string, string | number>, body: string, path = "/v1/emit") =>
    raw.write(api.head(path, { ...fields, "content-length": body.length }) + body);
  send({}, "{");
  send({ "content-type": "text/plain" }, "some text");
  send({ authorization: "Bearer wrong" }, EMIT);
  send({}, '{"event":5}');
  send({}, EMIT, "/v1/nothing");
  send({}, EMIT, "/v1/rooms");
  send({ "idempotency-key": "k".repeat(256) }, EMIT);
  send({}, EMIT);
  assert.deepEqual(
    (await readAnswers(raw, 8)).map((answer) => answer.status),
    [400, 415, 401, 400, 404, 405, 400, 200],
  );
  raw.close();
});

test("a flood of half bodies that all leave ends with nothing open", async () => {
  const api = await startApi({ bodiesMax: 20 });
  const raws = await Promise.all(Array.from({ length: 60 }, () => openTcp(api.on.port)));
  for (const raw of raws) {
    raw.write(api.head("/v1/commands", { "content-length": 5000 }));
    raw.write("[".repeat(100));
  }
  await until(() => raws.filter((raw) => raw.unread.includes("503")).length === 40, "40 refusals");
  for (const raw of raws) raw.close();
  await until(() => api.on.http.open === 0, "nothing open");
  assert.equal(api.api.samples().openBodies, 0);
  assert.equal((await api.post("/v1/emit", EMIT)).status, 200);
});

// Seen, by reading: 256 bodies of a megabyte each could be on their way in, and as many again from
// senders that were still being checked. The old code bounded their number alone.
test("bodies and lines on their way in are bounded in bytes, all together", async () => {
  const api = await startApi({ bodyBytesMax: 65_536, bodiesBytesMax: 65_536 });
  const raws = [await openTcp(api.on.port), await openTcp(api.on.port), await openTcp(api.on.port)];
  const [body, stream, other] = raws as [Tcp, Tcp, Tcp];
  body.write(api.head("/v1/emit", { "content-length": 40_000 }) + fill(40_000).slice(0, -1));
  await until(() => api.api.samples().bodyBytes === 39_999, "nearly all of it");
  const chunks = { "transfer-encoding": "chunked", "content-type": "application/x-ndjson" };
  stream.write(api.head("/v1/commands", chunks) + chunked("x".repeat(20_000)));
  await until(() => api.api.samples().bodyBytes === 59_999, "the beginning of a line");
  other.write(api.head("/v1/emit", { "content-length": 6000 }) + fill(6000));
  const refused = await readAnswer(other);
  assert.deepEqual([refused?.status, JSON.parse(refused?.body ?? "").code], [503, "API_BUSY"]);
  stream.write(chunked("x".repeat(6000)));
  assert.match((await readAnswer(stream)).body, /API_BUSY/);
  await until(() => api.api.samples().bodyBytes === 39_999, "theirs are given back");
  other.write(api.head("/v1/emit", { "content-length": 6000 }) + fill(6000));
  assert.equal((await readAnswer(other)).status, 200);
  body.write("}");
  assert.equal((await readAnswer(body)).status, 200);
  assert.equal(api.api.samples().bodyBytes, 0);
  for (const raw of raws) raw.close("reset");
});

test("a compressed body takes its room among the bytes of all before it is inflated", async () => {
  const api = await startApi({ bodyBytesMax: 65_536, bodiesBytesMax: 65_536 });
  const encoded = { "content-encoding": "gzip" };
  const small = gzipSync('{"event":"x"}');
  assert.equal((await api.post("/v1/emit", small, encoded)).status, 200, "alone there is room");
  const raw = await openTcp(api.on.port);
  raw.write(`${api.head("/v1/emit", { "content-length": 100 })} `);
  await until(() => api.api.samples().bodyBytes === 1, "another has begun");
  const refused = await api.post("/v1/emit", small, encoded);
  assert.deepEqual([refused.status, await codeOf(refused)], [503, "API_BUSY"]);
  assert.equal((await api.post("/v1/emit", '{"event":"x"}')).status, 200, "as it is there is room");
  raw.close();
  await until(() => api.api.samples().openBodies === 0, "the other has left");
  assert.equal(api.api.samples().bodyBytes, 0);
});
