/** What fresh eyes tried against the application's own HTTP, in both forms of a handler. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import type { GatewayNeeds } from "../../src/gateway/gateway.ts";
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

/** A handler in one form that answers everything with its own name. */
function nameIt(form: (typeof FORMS)[number], name: string): GatewayNeeds {
  return form === "fetch"
    ? { fetch: () => new Response(name) }
    : { http: (_req, res) => void res.end(name) };
}

for (const form of FORMS) {
  test(`${form}: no path of Sluice's own reaches the handler, and paths near them do`, async (t) => {
    const api = { keys: ["ops:a-key-that-is-long-enough-for-it"] };
    const gateway = await testGateway(t, { api }, nameIt(form, "mine"));
    const own = ["/v1/emit", "/v1/sockets", "/metrics", "/metrics?a", "/healthz", "/readyz"];
    for (const path of [...own, "/console", "/socket.io/", "/socket.io/?EIO=4&transport=polling"]) {
      for (const method of ["GET", "POST", "OPTIONS", "HEAD"]) {
        const tcp = await open(t, gateway.port);
        tcp.write(`${method} ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n`);
        assert.ok(!/content-length: 4\r/i.test(`${await tcp.readThrough("\r\n\r\n")}`), path);
        assert.ok(!tcp.unread.includes("mine"), `${method} ${path}`);
      }
    }
    assert.equal((await ask(`${gateway.url}/v1/emit`, { method: "POST" })).status, 401);
    const near = ["//v1/emit", "/v1/emit/", "/%76%31/emit", "/a/../v1/emit", "/V1/emit"];
    for (const path of [...near, "/a/../metrics", "//socket.io/", "/socket.io%2f", "/consolex"]) {
      const tcp = await open(t, gateway.port);
      tcp.write(formatRequest({ path }));
      assert.equal((await readAnswer(tcp)).body, "mine", path);
    }
  });

  test(`${form}: while developing, too, / is the handler's`, async (t) => {
    // Seen: the page that says what this port is stood in the place of the application's own.
    const gateway = await testGateway(t, {}, { ...nameIt(form, "mine"), developing: true });
    assert.equal((await ask(gateway.url)).body, "mine");
  });

  test(`${form}: a response has one date`, async (t) => {
    const gateway = await startWith(t, form);
    const { rawHeaders } = await ask(`${gateway.url}/cookies`);
    assert.equal(rawHeaders.filter((one) => /^date$/i.test(one)).length, 1);
  });

  test(`${form}: a handler may answer before the body has begun to arrive`, async (t) => {
    // Seen: with http the handler was called at the first bytes of the body.
    const gateway = await testGateway(t, {}, nameIt(form, "no need"));
    const tcp = await open(t, gateway.port);
    tcp.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n");
    assert.equal((await readAnswer(tcp)).body, "no need");
  });

  test(`${form}: hosts and targets that no URL can have are refused with 400`, async (t) => {
    // Seen: `http` got such hosts, and closed connections for such targets without an answer.
    const gateway = await testGateway(t, {}, nameIt(form, "mine"));
    for (const host of ["a:b:c", "a:99999", "a@b", "[::1", "%zz"]) {
      const tcp = await open(t, gateway.port);
      tcp.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      assert.equal((await readAnswer(tcp)).status, 400, host);
    }
    const tcp = await open(t, gateway.port);
    tcp.write(Buffer.from("GET /é HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert.equal((await readAnswer(tcp)).status, 400);
  });

  test(`${form}: a request for an upgrade is a request like others`, async (t) => {
    const gateway = await testGateway(t, {}, nameIt(form, "mine"));
    const tcp = await open(t, gateway.port);
    const key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    tcp.write(
      `GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n\r\n`,
    );
    const { status, body } = await readAnswer(tcp);
    assert.deepEqual([status, body], [200, "mine"]);
  });

  test(`${form}: the PROXY protocol names an address, and no scheme`, async (t) => {
    // Seen: behind it each client could say in X-Forwarded-Proto that it had come by https.
    const gateway = await startWith(t, form, { socket: { proxyProtocol: true } });
    const tcp = await open(t, gateway.port);
    const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
    const addresses = Buffer.from([0x21, 0x11, 0, 12, 203, 0, 113, 9, 127, 0, 0, 1, 0, 1, 0, 2]);
    const headers = "host: a\r\nx-forwarded-proto: https";
    tcp.write(Buffer.concat([signature, addresses]));
    tcp.write(`GET /about HTTP/1.1\r\n${headers}\r\n\r\n`);
    const { protocol, address } = JSON.parse((await readAnswer(tcp)).body);
    assert.deepEqual([protocol, address], ["http:", "203.0.113.9"]);
  });

  test(`${form}: a stop does not wait for server-sent events`, { timeout: 60_000 }, async (t) => {
    // Seen: one open stream held a stop for the whole of socket.drainMs.
    const gateway = await startWith(t, form, { socket: { drainMs: 600_000 } });
    const tcp = await open(t, gateway.port);
    tcp.write(formatRequest({ path: "/events" }));
    await tcp.readThrough("data: first\n\n");
    await gateway.stop();
    await tcp.ended();
    assert.deepEqual(gateway.seen.gone, ["/events"]);
  });

  test(`${form}: gateways in one process have handlers of their own`, async (t) => {
    const names = ["one", "two", "three"];
    const all = await Promise.all(names.map((name) => testGateway(t, {}, nameIt(form, name))));
    const bodies = all.map(async ({ url }) => (await ask(`${url}/x`)).body);
    assert.deepEqual(await Promise.all(bodies), names);
    await all[0]?.stop();
    assert.equal((await ask(`${all[1]?.url}/x`)).body, "two");
  });
}

test("fetch: a stream without events yet has begun, and is not answered for", async (t) => {
  // Seen: 504 after http.answerMs, because a response began with the first bytes of its body.
  let push = (_: Uint8Array): void => {};
  const events = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => {
        push = (bytes) => controller.enqueue(bytes);
      },
    });
  const fetch = ({ url }: Request) =>
    url.endsWith("/events") ? new Response(events()) : new Promise<never>(() => {});
  const gateway = await testGateway(t, { http: { answerMs: 100 } }, { fetch });
  const tcp = await open(t, gateway.port);
  tcp.write(formatRequest({ path: "/events" }));
  const isOpen = async () => (await gateway.metric("sluice_http_open_requests")) === 1;
  await until(isOpen, "the stream is open");
  assert.equal((await ask(`${gateway.url}/later`)).status, 504);
  push(Buffer.from("first"));
  assert.match(`${await tcp.readThrough("first")}`, /^HTTP\/1.1 200 OK\r\n/);
});

test("http: a client that does not read holds the handler back, not memory", async (t) => {
  let made = 0;
  const piece = Buffer.alloc(65_536);
  const endless = (_req: IncomingMessage, res: ServerResponse) => {
    const pieces = (function* () {
      for (;;) {
        made++;
        yield piece;
      }
    })();
    Readable.from(pieces)
      .on("error", () => {})
      .pipe(res);
  };
  const gateway = await testGateway(t, {}, { http: endless });
  const tcp = await open(t, gateway.port);
  tcp.socket.pause();
  tcp.write(formatRequest({ path: "/" }));
  let before = -1;
  const isStill = () => {
    const same = made > 0 && made === before;
    before = made;
    return same;
  };
  await until(isStill, "the handler is not asked for more");
  assert.ok(made < 1000, `${made} pieces`);
});

test("http: a handler that goes on writing after its client has left does no harm", async (t) => {
  let writes = 0;
  const http = (_req: IncomingMessage, res: ServerResponse) => {
    const timer = setInterval(() => {
      res.write(Buffer.alloc(65_536));
      if (++writes === 100) clearInterval(timer);
    }, 1);
  };
  const gateway = await testGateway(t, {}, { http });
  const tcp = await open(t, gateway.port);
  tcp.write(formatRequest({ path: "/" }));
  await tcp.readThrough("\r\n\r\n");
  tcp.close("reset");
  await until(() => writes === 100, "it has written");
  assert.equal(await gateway.metric("sluice_http_open_requests"), 0);
});
