import assert from "node:assert/strict";
import { test } from "node:test";
import { describeShared, describeWebhooks } from "../../src/api/webhooks.ts";
import { CALL_TYPES } from "../../src/core/call.ts";
import { type Received, SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { misfit } from "../harness/schemas.ts";
import { until } from "../harness/wait.ts";

interface Header {
  readonly name: string;
  readonly required: boolean;
}
// The shape of what the OpenAPI document says; test/api/openapi.test.ts checks it.
const webhooks = describeWebhooks() as Record<string, { post: { parameters: { $ref: string }[] } }>;
const parameters = describeShared().parameters as Record<string, Header>;

/** Headers of HTTP itself. */
const PLAIN = /^(host|connection|content-type|content-length|user-agent|accept-encoding)$/;

function kindOf({ headers }: Received): string {
  if (headers["content-type"] === "application/cloudevents-batch+json") return "batch";
  const kinds = Object.entries(CALL_TYPES);
  return kinds.find(([, type]) => type === headers["ce-type"])?.[0] ?? "";
}

/** Checks a call by what the document says of its kind; returns the kind. */
function checkCall(call: Received): string {
  const kind = kindOf(call);
  const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}Call`;
  assert.equal(misfit(name, call.json), undefined, String(call.body));
  const told = (webhooks[kind]?.post.parameters ?? []).map(
    ({ $ref }) => parameters[$ref.split("/").at(-1) ?? ""],
  );
  for (const header of told) {
    assert.ok(header);
    if (header.required) assert.ok(header.name in call.headers, `${kind} has no ${header.name}`);
  }
  const names = new Set(told.map((header) => header?.name));
  for (const header of Object.keys(call.headers)) {
    assert.ok(names.has(header) || PLAIN.test(header), `${header} of ${kind} is not described`);
  }
  return kind;
}

const HOSTILE: readonly unknown[] = [
  "text with ünïcode 😀 \ud800",
  Buffer.from([0, 1, 254, 255]),
  { left: Buffer.from("left"), list: [{ right: Buffer.alloc(0) }, new Date(0)] },
  { $binary: 5 },
  { $escape: { $binary: "aGk=" } },
  [{ $escape: [] }, { $binary: "no base64!" }, null, 1e300, [[[[[]]]]]],
];

test("every call fits what the OpenAPI document says of it, whatever clients send", async (t) => {
  const fn = await startFunction(t, ({ headers }) =>
    headers["ce-type"] === CALL_TYPES.connect
      ? { body: { userId: "u", rooms: ["a", "__proto__"], data: { seat: 3 } } }
      : {},
  );
  const gateway = await testGateway(t, {
    upstream: {
      ...{ url: fn.url, secrets: [SECRET], batch: true, batchMax: 3, namespaces: ["*"] },
      ...{ rooms: true, presence: true, calls: ["connect", "connected", "event", "disconnect"] },
    },
  });
  gateway.io.of("/chat");
  gateway.io.on("connection", (socket) => {
    // What JSON cannot say is said to be so, and the rest is as it is.
    socket.data.big = 5n;
    socket.data.bytes = new Uint8Array([1, 2]);
  });
  for (const codec of ["msgpack", "json"] as const) {
    for (const namespace of ["/", "/chat"]) {
      const client = await gateway.connected({
        codec,
        namespace,
        transports: codec === "json" ? ["polling"] : ["websocket"],
        auth: { name: "Ada", more: HOSTILE[2], tag: HOSTILE[3] },
        query: { a: "1", "b c": "ü" },
        headers: {
          "x-many": "a, b",
          traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          tracestate: "vendor=1",
        },
      });
      for (const [index, one] of HOSTILE.entries()) {
        client.emit(index === 0 ? "" : `event ü ${index}`, one, HOSTILE);
        await client.emitWithAck("ask", one);
      }
      client.disconnect();
    }
  }
  const ended = () => fn.received.filter((call) => kindOf(call) === "disconnect").length;
  await until(() => ended() === 4, "four disconnect calls");
  const kinds = new Set(fn.received.map(checkCall));
  // What only some calls have was there.
  const sent = fn.received.map(({ body }) => String(body)).join();
  for (const member of ["version", "rooms", "userId", "tracestate", "$error", "$binary"]) {
    assert.ok(sent.includes(`"${member}":`), member);
  }
  assert.deepEqual([...kinds].sort(), ["batch", "connect", "connected", "disconnect", "event"]);
});
