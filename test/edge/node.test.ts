import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, request } from "node:http";
import * as http2 from "node:http2";
import { connect } from "node:net";
import { test } from "node:test";
import { createHandler } from "../../src/edge/index.ts";
import { toNodeListener } from "../../src/edge/node.ts";
import { SECRET } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { call, event } from "./rig.ts";
import { listen, serve, serveNode } from "./serve.ts";

/** Sends what `call` makes to a server, as the gateway would. */
async function send(url: string, request: Request): Promise<Response> {
  const { method, headers } = request;
  return fetch(url, { method, headers, body: await request.arrayBuffer() });
}

const echo = createHandler({ secret: SECRET, events: { echo: ({ args }) => [...args] } });

test("a function on Node's http answers a gateway's calls, bytes and all", async (t) => {
  const chat = createHandler({
    secret: SECRET,
    connect: () => ({ rooms: ["a"] }),
    events: {
      say({ args: [what] }, io) {
        io.to("a").emit("said", what);
        return [what, "ünï"];
      },
    },
  });
  const url = await serve(t, chat);
  const gateway = await testGateway(t, { upstream: { url: `${url}/call?x=1`, secrets: [SECRET] } });
  const client = await gateway.connected();
  const heard = next<[Buffer]>(client, "said");
  const ack = new Promise<unknown[]>((resolve) =>
    client.emit("say", Buffer.from([0, 255, 10]), (...given: unknown[]) => resolve(given)),
  );
  const [bytes, text] = await ack;
  assert.deepEqual([[...(bytes as Buffer)], text], [[0, 255, 10], "ünï"]);
  assert.deepEqual([...(await heard)[0]], [0, 255, 10]);
});

test("a body of bodyBytesMax is read, and one byte more is 413 before the handler", async (t) => {
  let calls = 0;
  const counting = async (request: Request) => {
    calls++;
    return new Response(String((await request.arrayBuffer()).byteLength));
  };
  const url = await serveNode(t, toNodeListener(counting, { bodyBytesMax: 100_000 }));
  const post = (length: number) => fetch(url, { method: "POST", body: "x".repeat(length) });
  assert.equal(await (await post(100_000)).text(), "100000");
  const refused = await post(100_001);
  assert.equal(refused.status, 413);
  assert.equal(refused.headers.get("connection"), "close");
  assert.equal(calls, 1);
});

test("what the Web's Request does not take is 400, and a handler that throws is 500", async (t) => {
  const failures: unknown[] = [];
  const failing = (request: Request): Response => {
    if (request.url.endsWith("/cookies")) {
      const headers = new Headers([
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["x-url", request.url],
      ]);
      return new Response("ok", { status: 201, headers });
    }
    throw new Error("no");
  };
  const url = await serveNode(
    t,
    toNodeListener(failing, { failed: (error) => failures.push(error) }),
  );
  assert.equal((await fetch(url)).status, 500);
  assert.equal((failures.pop() as Error).message, "no");
  const fine = await fetch(`${url}//evil.example/cookies`);
  assert.equal(fine.status, 201);
  assert.deepEqual(fine.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(fine.headers.get("x-url"), `${url}//evil.example/cookies`);
  const options = request(url, { method: "OPTIONS", path: "*" }).end();
  const [{ statusCode }] = await once(options, "response");
  assert.equal(statusCode, 400);
  assert.deepEqual(failures, []);
});

test("a caller that leaves in the middle of its body is nobody's failure", async (t) => {
  const failures: unknown[] = [];
  const listener = toNodeListener(echo, { failed: (error) => failures.push(error) });
  let over = false;
  const server = createServer(async (incoming, outgoing) => {
    await listener(incoming, outgoing);
    over = true;
  });
  const url = await listen(t, server);
  t.after(() => server.closeAllConnections());
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  await once(server, "request");
  socket.destroy();
  await until(() => over, "the listener has ended");
  assert.deepEqual(failures, []);
  assert.equal((await send(url, call(event("echo", [1])))).status, 200);
});

test("bytes that a body parser has kept are taken, and a body without them is 500", async (t) => {
  const failures: string[] = [];
  const listener = toNodeListener(echo, { failed: (error) => failures.push(String(error)) });
  const parse =
    (keep?: "rawBody" | "body"): RequestListener =>
    async (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      if (keep) Object.assign(incoming, { [keep]: Buffer.concat(chunks) });
      await listener(incoming, outgoing);
    };
  for (const keep of ["rawBody", "body"] as const) {
    const response = await send(await serveNode(t, parse(keep)), call(event("echo", ["ü"])));
    assert.deepEqual(await response.json(), { ack: ["ü"] });
  }
  assert.equal((await send(await serveNode(t, parse()), call(event("echo")))).status, 500);
  assert.match(failures.join(), /something has read the body before/);
});

test("Node's http2 is served too", async (t) => {
  const url = await listen(t, http2.createServer({}, toNodeListener(echo)));
  const session = http2.connect(url);
  const request = call(event("echo", ["two"]));
  const stream = session.request({
    ":method": "POST",
    ":path": "/",
    ...Object.fromEntries(request.headers),
  });
  stream.end(Buffer.from(await request.arrayBuffer()));
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  await once(stream, "end");
  session.close();
  assert.deepEqual(JSON.parse(text), { ack: ["two"] });
});
