import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { type TestContext, test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { startStock } from "../harness/stock.ts";
import { next, until } from "../harness/wait.ts";
import { formatRequest, readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";
import { takeWs } from "../harness/wire-ws.ts";

const REPEATED =
  "Cookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\nAuthorization: one\r\nAuthorization: two\r\n" +
  "User-Agent: first\r\nUser-Agent: second\r\nConstructor: c\r\n";
const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/** Writes one request and leaves its connection open until the test is over. */
async function write(t: TestContext, port: number, transport: string) {
  const tcp = await openTcp(port);
  t.after(() => tcp.close());
  const query = `EIO=4&transport=${transport}&who=ann+b&x=%2F`;
  const more = transport === "websocket" ? UPGRADE : "";
  tcp.write(`GET /socket.io/?${query} HTTP/1.1\r\nHost: a\r\n${REPEATED}${more}\r\n`);
  return tcp;
}

/** What handlers read of a request, in one object. Names of headers are not a client's spelling. */
function look(request: IncomingMessage): Record<string, unknown> {
  const { socket, connection, headers, rawHeaders } = request;
  return {
    ...{
      method: request.method,
      url: request.url,
      upgrade: Boolean((request as { upgrade?: true }).upgrade),
    },
    ...{ complete: request.complete, aborted: request.aborted, destroyed: request.destroyed },
    ...{ version: request.httpVersion, trailers: { ...request.trailers } },
    ...{ major: request.httpVersionMajor, minor: request.httpVersionMinor },
    ...{ rawTrailers: request.rawTrailers, status: request.statusCode },
    ...{ message: request.statusMessage, headers: { ...headers } },
    headersDistinct: { ...request.headersDistinct },
    rawHeaders: rawHeaders.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text)),
    ...{ address: socket.remoteAddress, family: socket.remoteFamily },
    ...{
      same: connection === socket,
      encrypted: Boolean((socket as { encrypted?: true }).encrypted),
    },
    ...{ open: [socket.readable, socket.writable, socket.destroyed] },
    chained: [socket.setNoDelay(), socket.setKeepAlive(), request.setTimeout(0)].map((of) =>
      of === socket ? "socket" : of === request ? "request" : "else",
    ),
    listening: request.on("close", () => {}).listenerCount("close") > 0,
  };
}

for (const transport of ["polling", "websocket"]) {
  test(`handlers read of a request what they read on Node.js' http server (${transport})`, async (t) => {
    // Seen: `socket.request.socket.remoteAddress` ended the process with the first client, and the
    // version, the raw headers and the ends of a request were not there. The request had been an
    // object with the few members that engine.io itself reads.
    const gateway = await testGateway(t);
    const found: unknown[] = [];
    for (const { io, port } of [await startStock(t), gateway]) {
      const used: unknown[] = [];
      io.engine.use((request: IncomingMessage, _: unknown, go: () => void) => {
        used.push(request.url, request.socket.remoteAddress, request.headers["x-a"]);
        go();
      });
      const made = next<[{ request: IncomingMessage }]>(io.engine, "connection");
      const tcp = await write(t, port, transport);
      const [connection] = await made;
      await until(() => connection.request.complete, "all of it is read");
      found.push([look(connection.request), used]);
      // Else the stop of stock Socket.IO waits half a minute for the close of the WebSocket.
      tcp.close();
    }
    assert.deepEqual(found[1], found[0]);
  });
}

test("a query is read as URLSearchParams reads it, whether or not anything is escaped", async (t) => {
  const gateway = await testGateway(t);
  const read: unknown[] = [];
  const queries = [
    ...["", "a=1&b=2", "a=1&a=2", "a", "a=", "=a", "&&a=1&", "a=b=c", "a=b%20c", "a=b+c"],
    ...["%61=1", "a=%", "a=%ff", "t=PVw~.-_", "token=eyJ.eyJ_-.x", "a[]=1", "constructor=1"],
    ...["__proto__=1", "a=1&__proto__", "a=1;b=2", "a=/x?y", "rooms=a.b:c,d@e!*"],
  ];
  const common = "EIO=4&transport=polling";
  for (const query of queries) {
    const made = next<[{ request: { _query: unknown } }]>(gateway.io.engine, "connection");
    const tcp = await openTcp(gateway.port);
    tcp.write(formatRequest({ path: `/socket.io/?${common}&${query}` }));
    read.push((await made)[0].request._query);
    tcp.close();
  }
  const wanted = queries.map((query) =>
    Object.fromEntries(new URLSearchParams(`${common}&${query}`)),
  );
  assert.deepEqual(read, wanted);
});

for (const how of ["request", "socket"] as const) {
  test(`destroying the ${how} of a WebSocket ends its connection, and is told`, async (t) => {
    const gateway = await testGateway(t);
    const made = next<[{ request: IncomingMessage }]>(gateway.io.engine, "connection");
    const ws = await takeWs(await write(t, gateway.port, "websocket"));
    const { request } = (await made)[0];
    const closed = next(request.socket, "close");
    if (how === "request") request.destroy();
    else request.socket.destroy();
    await closed;
    assert.equal((await ws.ended()).code, "none");
    assert.deepEqual([request.destroyed, request.socket.writable], [true, false]);
    request.destroy(); // once more does nothing
    assert.equal(await gateway.metric("sluice_connections"), 0);
  });
}

test("a middleware may destroy a request instead of answering it", async (t) => {
  const gateway = await testGateway(t);
  gateway.io.engine.use((request: IncomingMessage) => void request.destroy());
  for (const transport of ["polling", "websocket"]) {
    const tcp = await write(t, gateway.port, transport);
    assert.equal((await tcp.ended()).length, 0);
  }
});

test("destroying the first request of a long-polling session that goes on does nothing", async (t) => {
  const gateway = await testGateway(t);
  const made = next<[{ request: IncomingMessage }]>(gateway.io.engine, "connection");
  const tcp = await write(t, gateway.port, "polling");
  const { sid } = JSON.parse((await readAnswer(tcp)).body.slice(1));
  (await made)[0].request.destroy();
  const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  tcp.write(formatRequest({ method: "POST", path, body: "40" }));
  assert.equal((await readAnswer(tcp)).body, "ok");
});
