/** What a client, or the handler itself, can do wrong: each request ends within its bounds. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { until } from "../harness/wait.ts";
import { formatRequest, readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";
import { FORMS, startWith } from "./kit.ts";

async function open(t: TestContext, port: number) {
  const tcp = await openTcp(port);
  t.after(() => tcp.close());
  return tcp;
}

for (const form of FORMS) {
  test(`${form}: a body at its bound is taken, one above is refused before it is read`, async (t) => {
    const gateway = await startWith(t, form, { http: { bodyBytesMax: 1000 } });
    const post = (size: number) =>
      ask(`${gateway.url}/echo`, { method: "POST", body: "x".repeat(size) });
    assert.equal((await post(1000)).body.length, 1000);
    const refused = await post(1001);
    assert.equal(refused.status, 413);
    assert.match(refused.body, /HTTP_BODY_TOO_LARGE/);
    // In chunks nobody knows before: the handler has begun to read.
    const tcp = await open(t, gateway.port);
    tcp.write("POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for (let n = 0; n < 11; n++) tcp.write(`64\r\n${"x".repeat(100)}\r\n`);
    assert.equal((await readAnswer(tcp)).status, 413);
    await tcp.ended(); // whatever else it would send is not read
  });

  test(`${form}: a body that does not arrive in time is refused`, async (t) => {
    const gateway = await startWith(t, form, { http: { bodyMs: 100 } });
    const tcp = await open(t, gateway.port);
    tcp.write("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12");
    const { status, body } = await readAnswer(tcp);
    assert.equal(status, 408);
    assert.match(body, /HTTP_BODY_TOO_SLOW/);
    await until(() => gateway.seen.gone.includes("/slow"), "the handler hears of it");
  });

  test(`${form}: a handler that never answers is answered for, and hears of it`, async (t) => {
    const gateway = await startWith(t, form, { http: { answerMs: 100 } });
    assert.equal((await ask(`${gateway.url}/never`)).status, 504);
    await until(() => gateway.seen.gone.includes("/never"), "the handler hears of it");
    assert.equal((await ask(`${gateway.url}/late`)).status, 504);
    assert.equal((await ask(`${gateway.url}/about`)).status, 200);
    assert.equal(await gateway.metric("sluice_http_requests_total", { status: "5xx" }), 2);
    assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "http" }), 0);
  });

  test(`${form}: above requestsMax further requests get 503, and those open go on`, async (t) => {
    const gateway = await startWith(t, form, { http: { requestsMax: 5 } });
    const held = await Promise.all(Array.from({ length: 5 }, () => open(t, gateway.port)));
    for (const tcp of held) {
      tcp.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab");
    }
    const isFull = async () => (await gateway.metric("sluice_http_open_requests")) === 5;
    await until(isFull, "five are open");
    const more = await Promise.all(Array.from({ length: 500 }, () => ask(`${gateway.url}/about`)));
    assert.deepEqual([...new Set(more.map(({ status }) => status))], [503]);
    assert.equal(more[0]?.headers["retry-after"], "1");
    for (const tcp of held) tcp.write("cd");
    for (const tcp of held) assert.equal((await readAnswer(tcp)).body, "abcd");
    assert.equal((await ask(`${gateway.url}/about`)).status, 200);
  });

  test(`${form}: a client that leaves in the middle of its body or its answer is let go`, async (t) => {
    const gateway = await startWith(t, form);
    const sending = await open(t, gateway.port);
    sending.write("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf");
    await until(() => gateway.seen.read > 0, "the handler reads");
    sending.close();
    const reading = await open(t, gateway.port);
    reading.write(formatRequest({ path: "/stream" }));
    await reading.readThrough("\r\n\r\n");
    reading.close();
    await until(() => gateway.seen.gone.length === 2, "both handlers hear of it");
    const isOver = async () => (await gateway.metric("sluice_http_open_requests")) === 0;
    await until(isOver, "nothing is left open");
    assert.equal((await ask(`${gateway.url}/about`)).status, 200);
  });

  test(`${form}: requests that are sent at once are answered in order, or the connection ends`, async (t) => {
    const gateway = await startWith(t, form);
    const tcp = await open(t, gateway.port);
    // uWebSockets.js ends a connection whose next request comes before the answer is known.
    tcp.write(Buffer.concat(["/none", "/about"].map((path) => formatRequest({ path }))));
    const answered = await readAnswer(tcp).then(
      ({ status }) => status,
      () => "ended",
    );
    assert.ok(answered === 204 || answered === "ended", `${answered}`);
    assert.equal((await ask(`${gateway.url}/about`)).status, 200);
  });

  test(`${form}: a request with an ambiguous length, host or target does not reach the handler`, async (t) => {
    const gateway = await startWith(t, form);
    const refused: string[] = [
      "POST /about HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET /about HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
      "GET /about HTTP/1.1\r\nhost: a/b?c\r\n\r\n",
      "GET http://other/about HTTP/1.1\r\nhost: a\r\n\r\n",
      "TRACE /about HTTP/1.1\r\nhost: a\r\n\r\n",
      "CONNECT /about HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for (const text of refused) {
      const tcp = await open(t, gateway.port);
      tcp.write(text);
      const status = await readAnswer(tcp).then(
        (answer) => answer.status,
        () => 400,
      );
      // 505 is the current binary's own answer to a whole URL.
      assert.ok([400, 404, 501, 505].includes(status), `${status} for ${text}`);
    }
  });

  test(`${form}: a stop waits for a request that is open, and refuses others`, async (t) => {
    const gateway = await startWith(t, form, { socket: { drainMs: 5000 } });
    const tcp = await open(t, gateway.port);
    tcp.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab");
    const isOpen = async () => (await gateway.metric("sluice_http_open_requests")) === 1;
    await until(isOpen, "it is open");
    const stopped = gateway.stop();
    const isRefused = async () => (await ask(`${gateway.url}/about`)).status === 503;
    await until(isRefused, "another is refused");
    tcp.write("cd");
    assert.equal((await readAnswer(tcp)).body, "abcd");
    await stopped;
  });

  test(`${form}: a stop ends what does not end by itself`, async (t) => {
    const gateway = await startWith(t, form);
    const events = await open(t, gateway.port);
    events.write(formatRequest({ path: "/events" }));
    await events.readThrough("data: first\n\n");
    await gateway.stop();
    await events.ended();
    assert.deepEqual(gateway.seen.gone, ["/events"]);
  });
}

test("a header that HTTP forbids is left out, whatever the response claims", async (t) => {
  const forged = {
    status: 200,
    statusText: "OK\r\nx-split: 1",
    headers: new Map([
      ["x-bad", "a\r\nx-split: 2"],
      ["x-good", "1"],
      ["content-length", "4"],
      ["transfer-encoding", "chunked"],
    ]),
    body: new Blob(["body"]).stream(),
  };
  const gateway = await testGateway(t, {}, { fetch: () => forged as never });
  const answer = await ask(`${gateway.url}/x`);
  assert.deepEqual([answer.status, answer.body], [200, "body"]);
  assert.deepEqual(
    ["x-bad", "x-split", "x-good", "transfer-encoding"].map((name) => answer.headers[name]),
    [undefined, undefined, "1", undefined],
  );
});

test("a body longer than its content-length is cut off, and a shorter one is not whole", async (t) => {
  const fetch = (request: Request) => {
    const told = new URL(request.url).searchParams.get("told") ?? "";
    return new Response("12345", { headers: { "content-length": told } });
  };
  const gateway = await testGateway(t, {}, { fetch, log: () => {} });
  await assert.rejects(ask(`${gateway.url}/?told=9`));
  assert.notEqual((await ask(`${gateway.url}/?told=3`).catch(() => ({ body: "" }))).body, "12345");
  assert.equal((await ask(`${gateway.url}/?told=5`)).body, "12345");
});

test("what fetch returns that is no Response is a mistake of the handler", async (t) => {
  for (const given of [undefined, {}, Response.error(), "text"]) {
    const gateway = await testGateway(t, {}, { fetch: () => given as never, log: () => {} });
    assert.equal((await ask(`${gateway.url}/x`)).status, 500);
    assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "http" }), 1);
  }
});

test("a client that does not read holds the handler back, not memory", async (t) => {
  let pulled = 0;
  const piece = Buffer.alloc(65_536);
  const endless = () =>
    new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(piece);
      },
    });
  const gateway = await testGateway(t, {}, { fetch: () => new Response(endless()) });
  const tcp = await open(t, gateway.port);
  tcp.socket.pause();
  tcp.write(formatRequest({ path: "/endless" }));
  let before = -1;
  const isStill = () => {
    const same = pulled > 0 && pulled === before;
    before = pulled;
    return same;
  };
  await until(isStill, "the handler is not asked for more");
  assert.ok(pulled < 1000, `${pulled} pieces`);
});
