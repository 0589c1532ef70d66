/** Both forms of the application's own HTTP handler answer alike, beside Socket.IO on one port. */
import assert from "node:assert/strict";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createCertificates } from "../harness/certificates.ts";
import { ask } from "../harness/http.ts";
import { until } from "../harness/wait.ts";
import { FORMS, failureOf, PIECE, PIECES, startWith } from "./kit.ts";

for (const form of FORMS) {
  test(`${form}: a request for another path than Sluice's own reaches the handler`, async (t) => {
    const gateway = await startWith(t, form);
    const about = await fetch(`${gateway.url}/about?a=%20b`, {
      method: "PUT",
      headers: { cookie: "c=1" },
    });
    assert.deepEqual(await about.json(), {
      ...{ method: "PUT", search: "?a=%20b", protocol: "http:" },
      ...{ address: "127.0.0.1", cookie: "c=1" },
    });
    const none = await fetch(`${gateway.url}/nowhere`);
    assert.deepEqual([none.status, await none.text()], [404, "nothing at /nowhere"]);
  });

  test(`${form}: Sluice's own paths stay its own, and clients connect`, async (t) => {
    const gateway = await startWith(t, form);
    const statuses = ["/healthz", "/readyz", "/metrics"].map(
      async (path) => (await fetch(gateway.url + path)).status,
    );
    assert.deepEqual(await Promise.all(statuses), [200, 200, 200]);
    assert.equal((await ask(`${gateway.url}/healthz`, { method: "POST" })).status, 405);
    gateway.io.on("connection", (socket) => socket.on("echo", (said, done) => done(said)));
    for (const transports of [["websocket"], ["polling"]] as const) {
      const client = await gateway.connected({ transports: [...transports], codec: "json" });
      assert.equal(await client.emitWithAck("echo", "here"), "here");
    }
  });

  test(`${form}: binary bodies go in and out unchanged, long ones too`, async (t) => {
    const gateway = await startWith(t, form);
    for (const size of [0, 1, 65_536, 5_000_000]) {
      const body = Buffer.alloc(size);
      for (let at = 0; at < size; at++) body[at] = at * 7;
      const echoed = await fetch(`${gateway.url}/echo`, { method: "POST", body });
      assert.equal(echoed.headers.get("content-type"), "application/x-echo");
      assert.ok(body.equals(Buffer.from(await echoed.arrayBuffer())), `${size} bytes`);
    }
  });

  test(`${form}: a body that is sent in chunks arrives, and one of GET does no harm`, async (t) => {
    const gateway = await startWith(t, form);
    const chunked = new ReadableStream({
      start(controller) {
        for (const part of ["one ", "two ", "three"]) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    const options = { method: "POST", body: chunked, duplex: "half" } as RequestInit;
    assert.equal(await (await fetch(`${gateway.url}/echo`, options)).text(), "one two three");
    const got = await ask(`${gateway.url}/about`, {
      headers: { "content-length": "4" },
      body: "body",
    });
    assert.equal(JSON.parse(got.body).method, "GET");
  });

  test(`${form}: status, reason and headers are the handler's, and nothing is added`, async (t) => {
    const gateway = await startWith(t, form);
    const answer = await ask(`${gateway.url}/cookies`);
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(answer.headers["x-own"], "é");
    assert.equal(answer.headers["content-length"], "7");
    for (const name of ["content-security-policy", "cache-control", "transfer-encoding"])
      assert.equal(answer.headers[name], undefined, name);
    assert.equal(answer.rawHeaders.filter((one) => /^content-length$/i.test(one)).length, 1);
  });

  test(`${form}: HEAD, 204 and 304 have no body, and the connection goes on`, async (t) => {
    const gateway = await startWith(t, form);
    const head = await ask(`${gateway.url}/cookies`, { method: "HEAD" });
    assert.deepEqual([head.status, head.body], [201, ""]);
    // Node.js' fetch reuses connections: a body too many would be read as the next answer.
    for (let round = 0; round < 3; round++) {
      assert.equal((await fetch(`${gateway.url}/none`)).status, 204);
      const unchanged = await fetch(`${gateway.url}/unchanged`);
      assert.deepEqual([unchanged.status, unchanged.headers.get("etag")], [304, '"1"']);
      assert.equal((await fetch(`${gateway.url}/cookies`, { method: "HEAD" })).status, 201);
      assert.equal(await (await fetch(`${gateway.url}/cookies`)).text(), "cookies");
    }
  });

  test(`${form}: a streamed response arrives whole, piece by piece`, async (t) => {
    const gateway = await startWith(t, form);
    const events = await fetch(`${gateway.url}/events`);
    const reader = events.body?.getReader();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "data: first\n\n");
    await reader?.cancel();
    await until(() => gateway.seen.gone.length > 0, "the handler hears that the client has left");
    const long = await fetch(`${gateway.url}/stream`);
    assert.equal((await long.arrayBuffer()).byteLength, PIECE.byteLength * PIECES);
  });

  test(`${form}: a handler that throws is answered for with 500, logged and counted`, async (t) => {
    const gateway = await startWith(t, form);
    const failed = await fetch(`${gateway.url}/throw`);
    assert.equal(failed.status, 500);
    assert.equal(failed.headers.get("content-type"), "application/problem+json");
    assert.equal(((await failed.json()) as { code: string }).code, "HANDLERS_FAILED");
    assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "http" }), 1);
    assert.match(gateway.logged.join("\n"), /error handlers a handler failed .*thrown by a test/);
  });

  test(`${form}: a response that breaks off closes the connection`, async (t) => {
    const gateway = await startWith(t, form);
    const broken = await fetch(`${gateway.url}/break`);
    assert.equal(broken.status, 200);
    assert.ok((await failureOf(broken.body)) instanceof Error);
    await until(
      async () => (await gateway.metric("sluice_http_requests_total", { status: "aborted" })) === 1,
      "it is counted",
    );
    assert.equal(await gateway.metric("sluice_http_open_requests"), 0);
  });

  test(`${form}: behind a trusted proxy the address and the scheme are those it names`, async (t) => {
    const gateway = await startWith(t, form, { socket: { trustProxy: ["loopback"] } });
    const headers = { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https" };
    const aboutOf = async (url: string): Promise<unknown[]> => {
      const about: Record<string, unknown> = JSON.parse((await ask(url, { headers })).body);
      return [about.protocol, about.address];
    };
    assert.deepEqual(await aboutOf(`${gateway.url}/about`), ["https:", "203.0.113.7"]);
    const plain = await startWith(t, form);
    assert.deepEqual(await aboutOf(`${plain.url}/about`), ["http:", "127.0.0.1"]);
  });

  test(`${form}: over TLS it works alike`, async (t) => {
    const { certFile, keyFile } = createCertificates(t).make("localhost", ["localhost"]);
    const gateway = await startWith(t, form, { socket: { tls: { certFile, keyFile } } });
    const body = await new Promise<string>((resolve, reject) => {
      get(`${gateway.url}/about`, { rejectUnauthorized: false }, (response) => {
        text(response).then(resolve, reject);
      }).on("error", reject);
    });
    assert.equal(JSON.parse(body).protocol, "https:");
  });
}
