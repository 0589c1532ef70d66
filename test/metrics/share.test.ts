import assert from "node:assert/strict";
import { test } from "node:test";
import { shareScrapes } from "../../src/metrics/registry.ts";
import { testGateway } from "../harness/gateway.ts";
import { formatRequest, readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

test("requests for /metrics that come together are one scrape", async (t) => {
  // Seen: 500 requests without a key kept everybody else waiting for three seconds. Each was a scrape
  // of its own, one after the other, with nothing in between.
  const gateway = await testGateway(t);
  const many = await Promise.all(Array.from({ length: 50 }, () => openTcp(gateway.port)));
  for (const tcp of many) tcp.write(formatRequest({ path: "/metrics" }));
  const answers = await Promise.all(many.map((tcp) => readAnswer(tcp)));
  for (const tcp of many) tcp.close();
  assert.ok(answers.every(({ status }) => status === 200));
  // Each scrape has a loop utilization of its own.
  const different = new Set(answers.map(({ body }) => body));
  assert.ok(different.size <= 25, `${different.size} scrapes`);
});

test("a shared scrape is of one format, begins after who asks, and fails for all who share it", async () => {
  const scraped: string[] = [];
  let fails = false;
  const scrape = shareScrapes((accept) => {
    scraped.push(accept);
    if (fails) return Promise.reject(new Error("no samples"));
    return Promise.resolve({ type: accept, body: `${scraped.length}` });
  });
  const open = "application/openmetrics-text";
  const first = ["a", open, "b"].map(scrape);
  assert.deepEqual(scraped, []);
  assert.deepEqual(
    (await Promise.all(first)).map(({ type, body }) => [type, body]),
    [
      ["a", "1"],
      [open, "2"],
      ["a", "1"],
    ],
  );
  assert.equal((await scrape("c")).body, "3");
  fails = true;
  const failed = await Promise.allSettled([scrape("d"), scrape("e")]);
  assert.deepEqual(
    failed.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  fails = false;
  assert.equal((await scrape("f")).body, "5");
});
