/** When the head of a response leaves, and what it says of the body. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import type { GatewayNeeds } from "../../src/gateway/gateway.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { parseHead } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";
import { FORMS } from "./kit.ts";

/** A handler in one form that sends a head now, and the body when it is told. */
function holdBody(form: (typeof FORMS)[number], headers: Record<string, string>) {
  let tell = (_body: string): void => {};
  const fetch = () => {
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      tell = (text) => {
        controller.enqueue(Buffer.from(text));
        controller.close();
      };
    };
    return new Response(new ReadableStream({ start }), { headers });
  };
  const http = (_req: IncomingMessage, res: ServerResponse): void => {
    res.writeHead(200, headers).flushHeaders();
    tell = (text) => res.end(text);
  };
  const handler: GatewayNeeds = form === "fetch" ? { fetch } : { http };
  return { handler, tell: (text: string) => tell(text) };
}

async function askFor(t: TestContext, handler: GatewayNeeds) {
  const gateway = await testGateway(t, {}, handler);
  const tcp = await openTcp(gateway.port);
  t.after(() => tcp.close());
  tcp.write("GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
  return { tcp, head: parseHead(`${await tcp.readThrough("\r\n\r\n")}`) };
}

for (const form of FORMS) {
  test(`${form}: the head of server-sent events leaves before the first event`, async (t) => {
    // Seen: an EventSource opened only with its first event, which may be hours later.
    const { handler, tell } = holdBody(form, { "content-type": "text/event-stream" });
    const { tcp, head } = await askFor(t, handler);
    assert.equal(head.status, 200);
    assert.match(`${await tcp.readThrough(":\n\n")}`, /^3\r\n:\n\n$/); // a comment
    tell("data: 1\n\n");
    assert.match(`${await tcp.readThrough("0\r\n\r\n")}`, /data: 1\n\n\r\n0\r\n\r\n$/);
  });

  test(`${form}: a body that follows its head at once is sent as it is`, async (t) => {
    const headers = { "content-type": "text/event-stream" };
    const fetch = () => new Response("data: 1\n\n", { headers });
    const http = (_req: IncomingMessage, res: ServerResponse): void => {
      res.writeHead(200, headers).flushHeaders();
      res.end("data: 1\n\n");
    };
    const { url } = await testGateway(t, {}, form === "fetch" ? { fetch } : { http });
    assert.equal((await ask(`${url}/x`)).body, "data: 1\n\n");
  });

  test(`${form}: HEAD is answered with the length that GET has`, async (t) => {
    // Seen: with fetch, only a length that was set by hand was sent.
    const fetch = ({ url }: Request) =>
      url.endsWith("/told")
        ? new Response(null, { headers: { "content-length": "4" } })
        : new Response("text");
    const http = (_req: IncomingMessage, res: ServerResponse): void => {
      res.setHeader("content-length", 4).end();
    };
    const { url } = await testGateway(t, {}, form === "fetch" ? { fetch } : { http });
    for (const path of ["/told", "/text"]) {
      const { status, headers, body } = await ask(url + path, { method: "HEAD" });
      assert.deepEqual([status, headers["content-length"], body], [200, "4", ""], path);
    }
  });
}

test("fetch: HEAD for a stream is answered without its body, which is cancelled", async (t) => {
  let cancel = (): void => {};
  const cancelled = new Promise<void>((resolve) => {
    cancel = resolve;
  });
  const fetch = () => new Response(new ReadableStream({ cancel }));
  const { url } = await testGateway(t, {}, { fetch });
  const { headers } = await ask(`${url}/x`, { method: "HEAD" });
  assert.equal(headers["content-length"], undefined);
  await cancelled;
});
