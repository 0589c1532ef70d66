import assert from "node:assert/strict";
import { test } from "node:test";
import { createEventStreams } from "../../src/console/streams.ts";
import { startApp } from "../harness/app.ts";
import { until } from "../harness/wait.ts";

test("a stream ends with its caller's token, and its place is free", async (t) => {
  // Seen: a page that was open went on to show live figures and events, by a token of a minute.
  const app = await startApp();
  t.after(() => app.close());
  const streams = createEventStreams(1);
  let isOver = false;
  let sent = (): boolean => false;
  let ended = 0;
  app.http.route("GET", "/events", async (exchange) => {
    const stream = streams.open(exchange, { isOver: () => isOver });
    stream?.onEnd(() => ended++);
    sent = () => stream?.send("one", 1) ?? false;
    sent();
  });
  const response = await fetch(`${app.url}/events`);
  const text = response.text();
  await until(() => streams.size === 1, "it is open");
  assert.equal(sent(), true);
  isOver = true;
  assert.equal(sent(), false);
  assert.deepEqual([streams.size, ended], [0, 1]);
  assert.equal(await text, "event: one\ndata: 1\n\n".repeat(2));
  assert.equal(sent(), false, "what ends it may still call");
});
