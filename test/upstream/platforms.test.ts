import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { FAILURES } from "../../src/core/failures.ts";
import type { LogFields } from "../../src/core/log.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

const OK = '{"ack":["ok"]}';
const send =
  (headers: Record<string, string>, body: string | Buffer) => (response: ServerResponse) =>
    void response.writeHead(200, headers).end(body);
const encoded = (coding: string, body: string | Buffer) =>
  send({ "content-encoding": coding }, body);

/** How platforms write an answer, and what it says. */
const ANSWERS: readonly [
  name: string,
  answer: (response: ServerResponse) => void,
  ack: unknown[],
][] = [
  ["begins with a byte order mark", send({}, `\ufeff${OK}`), ["ok"]],
  ["stands between white space", send({}, `\r\n ${OK}\n`), ["ok"]],
  ["is white space alone", send({}, "\r\n"), []],
  ["is a byte order mark alone", send({}, "\ufeff"), []],
  ["is empty and has a type", send({ "content-type": "application/json" }, ""), []],
  ["is empty and said to be compressed", encoded("gzip", ""), []],
  ["is null", send({}, "null"), []],
  ["has null for its lists", send({}, '{"ack":null,"commands":null}'), []],
  ["has null for its commands", send({}, '{"ack":["ok"],"commands":null}'), ["ok"]],
  ["names no coding", encoded("Identity", OK), ["ok"]],
  ["is gzip", encoded("gzip", gzipSync(OK)), ["ok"]],
  ["is gzip by another name", encoded("X-Gzip", gzipSync(OK)), ["ok"]],
  ["is deflate", encoded("deflate", deflateSync(OK)), ["ok"]],
  ["is deflate without its header", encoded("deflate", deflateRawSync(OK)), ["ok"]],
  ["is br", encoded("br", brotliCompressSync(OK)), ["ok"]],
  ["has another charset's name", send({ "content-type": "text/html; charset=utf8" }, OK), ["ok"]],
  [
    "is a 204 with the headers of a body",
    (response) => void response.writeHead(204, { "content-type": "application/json" }).end(),
    [],
  ],
];

// Each of these was taken for broken: whatever followed a byte order mark, white space, a coding by
// the name of none, and null where a list is left out.
for (const [name, answer, ack] of ANSWERS) {
  test(`an answer that ${name} is taken`, async (t) => {
    const fn = await startFunction(t, () => answer);
    const upstream = testUpstream(t, { url: fn.url });
    assert.deepEqual(await upstream.ask(upstream.lane(), "x"), { ack });
  });
}

test("null is nothing in the answers to connects and batches too", async (t) => {
  const fn = await startFunction(t, ({ headers, json }) => {
    if (headers["ce-type"]) return { body: '{"userId":null,"data":null,"rooms":null}' };
    const [{ id }] = json;
    return { body: { answers: [{ id, commands: null }], failed: null, commands: null } };
  });
  const routes = [{ namespace: "/", event: "batch", url: fn.url, batch: true }];
  const upstream = testUpstream(t, { url: fn.url, routes, batchMs: 1 });
  const lane = upstream.lane();
  const about = { headers: {}, query: {}, auth: {}, address: "", secure: false, issued: 0 };
  const { order: _, ...said } = await lane.connect({ ...about, recovered: false });
  assert.deepEqual(said, { commands: [] });
  lane.event("batch", []);
  await until(() => upstream.samples().queued.events === 0, "the batch is over");
  assert.deepEqual(upstream.samples().calls, {
    "connect default answered": 1,
    "batch batch answered": 1,
  });
});

test("a page that comes with an error is not read, however it is compressed", async (t) => {
  const fn = await startFunction(t, () => ({
    status: 503,
    headers: { "content-encoding": "zstd" },
    body: "x",
  }));
  const upstream = testUpstream(t, { url: fn.url });
  const failed = await upstream.ask(upstream.lane(), "x");
  assert.equal("code" in failed && failed.code, "UPSTREAM_FAILED");
  fn.answer = () => ({ status: 403, headers: { "content-encoding": "zstd" }, body: "x" });
  const refused = await upstream.ask(upstream.lane(), "x");
  assert.equal("code" in refused && refused.code, "UPSTREAM_REFUSED");
});

// A function that emitted to a namespace nobody had made heard nothing of it, and neither did the log:
// only a counter did. The answers of its commands had nobody to go to.
test("a command of a function that cannot be carried out is logged by its name", async (t) => {
  const lines: LogFields[] = [];
  const fn = await startFunction(t, () => ({
    body: {
      commands: [
        { do: "emit", namespace: "/none", event: "x" },
        { do: "emit", namespace: "/none", event: "y" },
        { do: "emit", event: "z" },
        { do: "serverSideEmit", event: "x" },
      ],
    },
  }));
  const upstream = { url: fn.url, secrets: [SECRET], calls: ["event" as const] };
  const log = (_level: string, fields: LogFields, text: string) =>
    void lines.push({ ...fields, text });
  const gateway = await testGateway(t, { upstream }, { log });
  const client = await gateway.connected();
  await client.timeout(5000).emitWithAck("say");
  const refused = () => lines.filter(({ code }) => code !== undefined);
  await until(() => refused().length === 2, "both lines");
  const text = "a command of a function was refused";
  const about = { component: "upstream", text, namespace: "/none" };
  assert.deepEqual(refused(), [
    {
      ...about,
      code: "COMMANDS_NO_NAMESPACE",
      command: "emit",
      detail: "There is no such namespace: /none",
    },
    {
      ...about,
      namespace: "/",
      code: "COMMANDS_NO_CLUSTER",
      command: "serverSideEmit",
      detail: `${FAILURES.COMMANDS_NO_CLUSTER.text}: x`,
    },
  ]);
});
