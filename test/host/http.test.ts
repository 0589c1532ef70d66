import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Exchange, ResponseStream } from "../../src/core/http.ts";
import { startApp, type TestApp } from "../harness/app.ts";
import { until } from "../harness/wait.ts";
import { readAnswer, readAnswers } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

let on: TestApp;
before(async () => {
  on = await startApp();
});
after(() => on.close());

const ask = (method: string, path: string, more = "") =>
  `${method} ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

test("a route answers with its headers, the security headers and nothing to keep", async () => {
  on.http.route("GET", "/plain", (exchange) =>
    exchange.respond({ status: 200, headers: { "content-type": "text/plain" }, body: "hi" }),
  );
  const answer = await fetch(`${on.url}/plain?x=1`);
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "hi");
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.match(answer.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.equal(answer.headers.get("content-type"), "text/plain");
});

test("a header that HTTP does not allow is left out of an answer, and logged by name", async () => {
  on.http.route("GET", "/odd", (exchange) =>
    exchange.respond({ status: 200, headers: { "x-a": "b\r\nx-evil: yes", "x-b": "caf\u00e9" } }),
  );
  const answer = await fetch(`${on.url}/odd`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("x-a"), null);
  assert.equal(answer.headers.get("x-evil"), null);
  assert.equal(answer.headers.get("x-b"), "caf\u00e9");
  assert.equal(
    on.logged.filter((line) => /^warn a response header was left out/.test(line)).length,
    1,
  );
});

test("an unknown path is a 404 problem, the root and odd methods included", async () => {
  for (const path of ["/nowhere", "/", "/plain/", "/PLAIN"]) {
    const answer = await fetch(on.url + path, { method: "PUT", body: "x" });
    assert.equal(answer.status, 404, path);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    const problem = await answer.json();
    assert.deepEqual([problem.status, problem.code], [404, "API_NOT_FOUND"]);
  }
});

test("a wrong method is a 405 that names the right ones", async () => {
  on.http.route("GET", "/both", (exchange) => exchange.respond({ status: 200 }));
  on.http.route("POST", "/both", (exchange) => exchange.respond({ status: 200 }));
  const answer = await fetch(`${on.url}/both`, { method: "DELETE" });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get("allow"), "GET, POST, HEAD");
  assert.equal((await answer.json()).code, "API_BAD_METHOD");
});

test("HEAD of a streamed response has its headers alone, and the connection goes on", async () => {
  on.http.route("GET", "/streamed", (exchange) => {
    exchange.stream(200, { "content-type": "text/event-stream" })?.write("data: 1\n\n");
  });
  const raw = await openTcp(on.port);
  raw.write(ask("HEAD", "/streamed") + ask("HEAD", "/nowhere"));
  const [first, second] = await readAnswers(raw, 2, "HEAD");
  assert.deepEqual([first?.status, second?.status], [200, 404]);
  assert.equal(first?.headers["content-type"], "text/event-stream");
  assert.equal(first?.headers["transfer-encoding"], undefined);
  raw.close();
  await until(() => on.http.open === 0, "no request is open");
});

test("HEAD has GET's length and no body, on errors too, and the connection goes on", async () => {
  on.http.route("GET", "/long", (exchange) => exchange.respond({ status: 200, body: "ünï" }));
  const raw = await openTcp(on.port);
  raw.write(ask("HEAD", "/long") + ask("HEAD", "/nowhere"));
  const [first, second] = await readAnswers(raw, 2, "HEAD");
  assert.deepEqual([first?.status, first?.headers["content-length"]], [200, "5"]);
  assert.equal(second?.status, 404);
  assert.ok(Number(second?.headers["content-length"]) > 10);
  assert.equal(raw.unread, "");
  raw.close();
});

test("requests in one segment are answered in order, errors between them included", async () => {
  on.http.route("GET", "/later", async (exchange) => {
    await new Promise((resolve) => setImmediate(resolve));
    exchange.respond({ status: 200, body: "later" });
  });
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/nowhere") + ask("DELETE", "/both") + ask("GET", "/later"));
  const answers = await readAnswers(raw, 3);
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [404, 405, 200],
  );
  raw.close();
});

test("a handler that throws or rejects is a logged 500, and the connection goes on", async () => {
  on.http.route("GET", "/throws", () => {
    throw new Error("secret detail");
  });
  on.http.route("GET", "/rejects", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error("secret detail");
  });
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/throws"));
  const answers = await readAnswers(raw, 1);
  raw.write(ask("GET", "/rejects"));
  answers.push(await readAnswer(raw));
  for (const answer of answers) {
    assert.equal(answer.status, 500);
    assert.equal(JSON.parse(answer.body).code, "API_INTERNAL");
    assert.doesNotMatch(answer.body, /secret/);
  }
  assert.equal(on.logged.filter((line) => line === "error an HTTP handler failed").length, 2);
  raw.close();
});

test("a client that goes away is told of once, and answering it afterwards does nothing", async () => {
  let seen: Exchange | undefined;
  let aborts = 0;
  on.http.route("GET", "/hangs", (exchange) => {
    seen = exchange;
    exchange.onAborted(() => aborts++);
  });
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/hangs"));
  await until(() => seen !== undefined, "the request arrives");
  assert.equal(on.http.open, 1);
  raw.close();
  await until(() => aborts === 1, "the abort");
  assert.equal(on.http.open, 0);
  assert.equal(seen?.isDone(), true);
  seen?.respond({ status: 200 });
  seen?.pause();
  seen?.resume();
  seen?.onChunk(() => {});
  assert.equal(seen?.stream(200, {}), undefined);
  seen?.onAborted(() => aborts++);
  assert.equal(aborts, 2, "a listener added too late is called at once");
  assert.equal(on.http.open, 0);
});

test("headers and query are there after the handler returned", async () => {
  on.http.route("GET", "/echo", async (exchange) => {
    await new Promise((resolve) => setImmediate(resolve));
    const { method, path, query, headers } = exchange;
    exchange.respond({ status: 200, body: JSON.stringify({ method, path, query, headers }) });
  });
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/echo?a=%20b&c", "X-One: 1\r\nconstructor: x\r\nX-Two: a\r\nX-Two: b\r\n"));
  const answer = await readAnswer(raw);
  const echo = JSON.parse(answer?.body ?? "");
  assert.deepEqual([echo.method, echo.path, echo.query], ["GET", "/echo", "a=%20b&c"]);
  assert.equal(echo.headers["x-one"], "1");
  assert.equal(echo.headers["x-two"], "a, b");
  assert.equal(echo.headers.constructor, "x");
  raw.close();
});

test("an early answer leaves the rest of the body unread and the connection usable", async () => {
  on.http.route("POST", "/early", (exchange) => {
    let chunks = 0;
    exchange.onChunk(() => {
      if (++chunks === 1) exchange.respond({ status: 400, body: "no" });
      else throw new Error("a chunk after the answer");
    });
  });
  const raw = await openTcp(on.port);
  raw.write(ask("POST", "/early", "Content-Length: 6\r\n"));
  raw.write("ab");
  const answers = await readAnswers(raw, 1);
  raw.write(`cdef${ask("GET", "/plain")}`);
  answers.push(await readAnswer(raw));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [400, 200],
  );
  raw.close();
});

test("a request answered while paused leaves its connection reading", async () => {
  on.http.route("POST", "/paused", (exchange) => {
    exchange.pause();
    exchange.pause();
    setImmediate(() => exchange.respond({ status: 200 }));
  });
  const raw = await openTcp(on.port);
  raw.write(ask("POST", "/paused", "Content-Length: 0\r\n"));
  await readAnswer(raw);
  raw.write(ask("GET", "/plain"));
  assert.equal((await readAnswer(raw)).status, 200);
  raw.close();
});

test("who says in two ways where a request ends gets no answer, and what follows is not read", async () => {
  on.http.route("POST", "/sized", (exchange) => exchange.respond({ status: 200 }));
  on.http.route("GET", "/hidden", () => assert.fail("a request within a request"));
  const hidden = ask("GET", "/hidden");
  for (const fields of [
    `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`,
    `Content-Length: ${hidden.length}\r\nContent-Length: 0\r\n`,
    `Content-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n`,
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding:\r\n",
    "Content-Length:\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 0x5\r\n",
  ]) {
    const raw = await openTcp(on.port);
    raw.write(`${ask("POST", "/sized", fields)}0\r\n\r\n${hidden}`);
    await until(() => raw.isEnded, fields);
    assert.doesNotMatch(raw.unread, / 200 /, fields);
  }
  const raw = await openTcp(on.port);
  raw.write(`${ask("POST", "/sized", "Transfer-Encoding: Chunked\r\n")}0\r\n\r\n`);
  assert.equal((await readAnswer(raw)).status, 200);
  raw.close();
});

test("close ends the connection after the whole answer", async () => {
  on.http.route("GET", "/closes", (exchange) =>
    exchange.respond({ status: 200, body: "bye", close: true }),
  );
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/closes"));
  const answer = await readAnswer(raw);
  assert.deepEqual([answer?.body, answer?.headers.connection], ["bye", "close"]);
  await until(() => raw.isEnded, "the connection ends");
});

test("a stream says when its client is slow, and goes on when it reads again", async () => {
  let stream: ResponseStream | undefined;
  on.http.route("GET", "/stream", (exchange) => {
    stream = exchange.stream(200, { "content-type": "text/plain" });
  });
  const raw = await openTcp(on.port);
  raw.socket.pause();
  raw.write(ask("GET", "/stream"));
  await until(() => stream !== undefined, "the request arrives");
  let writable = 0;
  stream?.onWritable(() => writable++);
  const block = Buffer.alloc(65_536, "x");
  let blocks = 1;
  while (stream?.write(block)) blocks++;
  assert.equal(writable, 0);
  raw.socket.resume();
  await until(() => writable > 0, "writable again");
  stream?.end();
  await until(() => raw.unread.endsWith("0\r\n\r\n"), "the end of the body");
  assert.equal(raw.unread.split("x".repeat(65_536)).length - 1, blocks);
  assert.equal(on.http.open, 0);
  raw.close();
});

test("an aborted stream ends without the mark that would make it look whole", async () => {
  on.http.route("GET", "/cut", (exchange) => {
    const stream = exchange.stream(200, {});
    stream?.write("half");
    setImmediate(() => stream?.abort());
  });
  const raw = await openTcp(on.port);
  raw.write(ask("GET", "/cut"));
  await until(() => raw.isEnded, "the connection ends");
  assert.match(raw.unread, /half/);
  assert.doesNotMatch(raw.unread, /\r\n0\r\n\r\n/);
  assert.equal(on.http.open, 0);
});

test("stop lets open requests finish and closes every connection with its next answer", async () => {
  const own = await startApp();
  let held: Exchange | undefined;
  own.http.route("GET", "/held", (exchange) => {
    held = exchange;
  });
  const raw = await openTcp(own.port);
  raw.write(ask("GET", "/held"));
  await until(() => held !== undefined, "the request arrives");
  let stopped = false;
  const stopping = own.http.stop().then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stopped, false);
  held?.respond({ status: 200, body: "done" });
  await stopping;
  const answer = await readAnswer(raw);
  assert.deepEqual([answer?.body, answer?.headers.connection], ["done", "close"]);
  await until(() => raw.isEnded, "the connection ends");
  await own.http.stop();
  own.close();
});
