import assert from "node:assert/strict";
import { test } from "node:test";
import { startApi } from "../harness/api.ts";
import { until } from "../harness/wait.ts";
import { readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

test("a client that goes on after the end of its stream is neither read nor kept", async () => {
  const api = await startApi({ bodyBytesMax: 1024 });
  const raw = await openTcp(api.on.port);
  const fields = { "content-type": "application/x-ndjson", "transfer-encoding": "chunked" };
  raw.write(api.head("/v1/commands", fields));
  raw.write(`401\r\n${" ".repeat(1025)}\r\n`);
  const { body } = await readAnswer(raw);
  assert.equal(JSON.parse(body).code, "API_BODY_TOO_LARGE");
  const line = '{"do":"emit","event":"late"}\n';
  const size = line.length.toString(16);
  const flood = setInterval(() => raw.write(`${size}\r\n${line}\r\n`), 50);
  // The timeout of uWebSockets.js: 10 s with one binary and 30 s with the other, in steps of 4 s.
  await until(() => raw.isEnded, "the connection ends", 60_000);
  clearInterval(flood);
  assert.equal(raw.unread, "");
  assert.deepEqual(api.applied, []);
});
