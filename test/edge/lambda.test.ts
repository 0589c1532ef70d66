import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createHandler } from "../../src/edge/index.ts";
import { type LambdaEvent, toLambda } from "../../src/edge/lambda.ts";
import { SECRET } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { call, event } from "./rig.ts";
import { serveNode } from "./serve.ts";

const handler = createHandler({
  secret: SECRET,
  events: { echo: ({ args }) => [...args], quiet() {} },
});

/** An event of payload format 2.0, as AWS documents it for Function URLs. */
function eventOf(
  headers: Record<string, string>,
  body: Buffer,
  isBase64Encoded: boolean,
): LambdaEvent {
  const domainName = "abc.lambda-url.eu-west-1.on.aws";
  const http = { method: "POST", path: "/call", protocol: "HTTP/1.1", sourceIp: "192.0.2.1" };
  return {
    ...{ version: "2.0", routeKey: "$default", cookies: ["session=1"] },
    rawPath: "/call",
    rawQueryString: "a=1&a=2",
    headers: { ...headers, host: domainName, "x-forwarded-proto": "https" },
    requestContext: {
      ...{ accountId: "anonymous", apiId: "abc", requestId: "r1", stage: "$default" },
      domainName,
      http: { ...http, ...{ userAgent: "sluice" } },
    },
    body: body.toString(isBase64Encoded ? "base64" : "utf8"),
    isBase64Encoded,
  };
}

async function shape(request: Request, isBase64Encoded: boolean): Promise<LambdaEvent> {
  const body = Buffer.from(await request.arrayBuffer());
  return eventOf(Object.fromEntries(request.headers), body, isBase64Encoded);
}

test("a signed call is answered, whether its body comes as text or as base64", async () => {
  const lambda = toLambda(handler);
  for (const isBase64Encoded of [false, true]) {
    const request = call(event("echo", ["ünï", { $binary: "AP8=" }]));
    const result = await lambda(await shape(request, isBase64Encoded));
    assert.deepEqual(result, {
      statusCode: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ack: ["ünï", { $binary: "AP8=" }] }),
      isBase64Encoded: false,
    });
  }
  const quiet = await lambda(await shape(call(event("quiet", [], false)), false));
  assert.deepEqual([quiet.statusCode, quiet.body], [204, ""]);
});

test("another body under the same signature is refused", async () => {
  const request = call(event("echo", ["a"]));
  const shaped = await shape(request, false);
  const forged = { ...shaped, body: shaped.body?.replace('"a"', '"b"') };
  assert.equal((await toLambda(handler)(forged)).statusCode, 400);
  const { body: _, ...empty } = shaped;
  assert.equal((await toLambda(handler)(empty)).statusCode, 400);
  const noise = { ...shaped, body: "no base64!", isBase64Encoded: true };
  assert.equal((await toLambda(handler)(noise)).statusCode, 400);
});

test("a handler of one's own gets URL and headers, and may answer with bytes", async () => {
  let seen: Request | undefined;
  const lambda = toLambda((request) => {
    seen = request;
    return new Response(new Uint8Array([0, 255]), { headers: { "content-type": "image/png" } });
  });
  const shaped = await shape(call(event("echo")), false);
  const { requestContext } = shaped;
  const get = { ...requestContext, http: { method: "GET" } };
  const result = await lambda({ ...shaped, requestContext: get });
  assert.deepEqual([result.body, result.isBase64Encoded], ["AP8=", true]);
  assert.equal(seen?.url, "https://abc.lambda-url.eu-west-1.on.aws/call?a=1&a=2");
  assert.equal(seen?.headers.get("x-forwarded-proto"), "https");
  assert.equal(seen?.headers.get("cookie"), null);
  await assert.rejects(lambda({} as LambdaEvent), /payload format 2\.0/);
});

/** What stands before a Lambda function at AWS: each request becomes an event, its result a response. */
async function serveUrl(t: TestContext, lambda: ReturnType<typeof toLambda>): Promise<string> {
  return serveNode(t, async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    );
    const result = await lambda(eventOf(headers, Buffer.concat(chunks), false));
    const body = Buffer.from(result.body, result.isBase64Encoded ? "base64" : "utf8");
    outgoing.writeHead(result.statusCode, result.headers).end(body);
  });
}

test("a gateway's calls to a function URL are answered", async (t) => {
  const url = await serveUrl(t, toLambda(handler));
  const gateway = await testGateway(t, {
    upstream: { url, secrets: [SECRET], calls: ["event"] },
  });
  const client = await gateway.connected();
  assert.equal(await client.emitWithAck("echo", "hello"), "hello");
});
