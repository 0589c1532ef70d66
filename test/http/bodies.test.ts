/** Node.js' form: requests and responses that do not end together. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { until } from "../harness/wait.ts";
import { formatRequest, readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

async function open(t: TestContext, port: number) {
  const tcp = await openTcp(port);
  t.after(() => tcp.close());
  return tcp;
}

test("a response before the end of its request is finished, and the request is cut", async (t) => {
  const events: string[] = [];
  const http = (req: IncomingMessage, res: ServerResponse): void => {
    for (const name of ["aborted", "close"]) req.on(name, () => events.push(`req ${name}`));
    for (const name of ["finish", "close"]) res.on(name, () => events.push(`res ${name}`));
    req.once("data", () => res.end("early"));
  };
  const { port } = await testGateway(t, {}, { http });
  const tcp = await open(t, port);
  tcp.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12");
  assert.equal((await readAnswer(tcp)).body, "early");
  await until(() => events.length === 4, "all is told");
  assert.deepEqual(events.sort(), ["req aborted", "req close", "res close", "res finish"]);
});

test("what a handler writes after the end of its response reaches no other one", async (t) => {
  const http = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req;
    if (req.url === "/more") {
      res.setHeader("content-length", 2);
      res.write("ok");
      res.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
      res.end();
      setImmediate(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"));
    } else res.end("fine");
  };
  const { port } = await testGateway(t, {}, { http });
  const tcp = await open(t, port);
  for (const [path, body] of [
    ["/more", "ok"],
    ["/next", "fine"],
    ["/more", "ok"],
    ["/x", "fine"],
  ]) {
    tcp.write(formatRequest({ method: "POST", path: path ?? "", body: "a body" }));
    assert.equal((await readAnswer(tcp)).body, body);
  }
});

test("a socket to which something else than a response is written is a mistake", async (t) => {
  const http = ({ socket }: IncomingMessage): void => void socket.write("SSH-2.0-x\r\n");
  const gateway = await testGateway(t, {}, { http, log: () => {} });
  assert.equal((await ask(gateway.url)).status, 500);
  assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "http" }), 1);
});

test("a body without a length, as HTTP 1.0 has it, ends with its connection", async (t) => {
  const http = (_req: IncomingMessage, res: ServerResponse): void => {
    res.removeHeader("transfer-encoding");
    res.removeHeader("content-length");
    res.write("one ");
    res.end("two");
  };
  const { url } = await testGateway(t, {}, { http });
  assert.equal((await ask(url)).body, "one two");
});

test("a response of many pieces goes at the client's pace, and drain is told", async (t) => {
  const piece = Buffer.alloc(100_000, "x");
  let drains = 0;
  const http = async (_req: IncomingMessage, res: ServerResponse): Promise<void> => {
    for (let n = 0; n < 100; n++) {
      if (res.write(piece)) continue;
      drains++;
      await once(res, "drain");
    }
    res.end();
  };
  const { url } = await testGateway(t, {}, { http });
  assert.equal((await ask(url)).body.length, 100 * piece.length);
  assert.ok(drains > 0);
});

test("a handler that ends its socket in the middle of a response ends the client's, too", async (t) => {
  const http = ({ socket }: IncomingMessage, res: ServerResponse): void => {
    res.write("one");
    setImmediate(() => socket.end());
  };
  const gateway = await testGateway(t, {}, { http });
  await assert.rejects(ask(gateway.url));
  assert.equal(await gateway.metric("sluice_http_open_requests"), 0);
});
