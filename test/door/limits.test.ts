import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";
import { createLimits } from "../../src/door/limits.ts";

function createUnder(limits: Record<string, unknown>) {
  const world = { now: 0, polling: 0 };
  const settings = readSettings({ limits }).limits;
  const made = createLimits(settings, { now: () => world.now, polling: () => world.polling });
  return Object.assign(world, { limits: made });
}

const FIRST = { url: "/socket.io/?EIO=4", headerBytes: 0, transport: "websocket", first: true };
const NEXT = { ...FIRST, first: false };
const POLL = { ...FIRST, transport: "polling" };

test("connections in all and per address are let in up to the limit, not one more", () => {
  const { limits } = createUnder({ connectionsMax: 3, addressConnectionsMax: 2 });
  limits.opened("a");
  assert.equal(limits.refusal(FIRST, "a"), undefined);
  limits.opened("a");
  assert.equal(limits.refusal(FIRST, "a")?.code, "LIMIT_ADDRESS_CONNECTIONS");
  assert.equal(limits.refusal(FIRST, "b"), undefined);
  limits.opened("b");
  assert.deepEqual(limits.refusal(FIRST, "c"), { code: "LIMIT_CONNECTIONS", retryAfterMs: 5000 });
  assert.equal(limits.refusal(NEXT, "a"), undefined, "who is in may go on");
  limits.closed("a");
  limits.closed("a");
  assert.equal(limits.refusal(FIRST, "a"), undefined);
  assert.equal(limits.sizes.held, 1, "an address without connections is forgotten");
});

test("long-polling connections are let in up to their own limit", () => {
  const world = createUnder({ pollingConnectionsMax: 5 });
  world.polling = 4;
  assert.equal(world.limits.refusal(POLL, "a"), undefined);
  world.polling = 5;
  assert.equal(world.limits.refusal(POLL, "a")?.code, "LIMIT_POLLING");
  assert.equal(world.limits.refusal(FIRST, "a"), undefined, "WebSockets are not meant");
});

test("handshakes of one address: the burst passes, the next is told when to come back", () => {
  const world = createUnder({ addressHandshakesPerSecond: 2, addressHandshakesBurst: 4 });
  for (let i = 0; i < 4; i++) assert.equal(world.limits.refusal(FIRST, "a"), undefined);
  assert.deepEqual(world.limits.refusal(FIRST, "a"), {
    code: "LIMIT_ADDRESS_HANDSHAKES",
    retryAfterMs: 500,
  });
  assert.equal(world.limits.refusal(FIRST, "b"), undefined, "others are not meant");
  world.now = 499;
  assert.equal(world.limits.refusal(FIRST, "a")?.code, "LIMIT_ADDRESS_HANDSHAKES");
  world.now = 500;
  assert.equal(world.limits.refusal(FIRST, "a"), undefined);
  assert.equal(world.limits.refusal(FIRST, "a")?.code, "LIMIT_ADDRESS_HANDSHAKES");
});

test("handshakes in all are limited, and one address cannot use up the rate of everyone", () => {
  const world = createUnder({
    handshakesPerSecond: 1,
    handshakesBurst: 3,
    addressHandshakesPerSecond: 1,
    addressHandshakesBurst: 1,
  });
  for (let i = 0; i < 100; i++) world.limits.refusal(FIRST, "greedy");
  assert.equal(world.limits.refusal(FIRST, "b"), undefined);
  assert.equal(world.limits.refusal(FIRST, "c"), undefined);
  assert.equal(world.limits.refusal(FIRST, "d")?.code, "LIMIT_HANDSHAKES");
});

test("remembered addresses stay within their bound under a flood of new ones", () => {
  const world = createUnder({
    addressHandshakesPerSecond: 1,
    addressHandshakesBurst: 1,
    addressesMax: 16,
  });
  for (let i = 0; i < 10_000; i++) world.limits.refusal(FIRST, `address ${i}`);
  assert.ok(world.limits.sizes.remembered <= 16, String(world.limits.sizes.remembered));
  world.now = 60_000;
  for (let i = 0; i < 16; i++) world.limits.refusal(FIRST, `later ${i}`);
  world.now = 120_000;
  world.limits.refusal(FIRST, "x");
  world.limits.refusal(FIRST, "y");
  assert.ok(world.limits.sizes.remembered <= 14, "full buckets are forgotten as others come");
});

test("a rate of 0 is no limit", () => {
  const world = createUnder({
    handshakesPerSecond: 0,
    addressHandshakesPerSecond: 0,
    eventsPerSecond: 0,
    bytesPerSecond: 0,
  });
  for (let i = 0; i < 50_000; i++) assert.equal(world.limits.refusal(FIRST, "a"), undefined);
  assert.equal(world.limits.opened("a"), undefined, "a connection without limits has no buckets");
});

test("a query and headers as long as their limit pass, one byte more does not", () => {
  const { limits } = createUnder({ queryBytesMax: 64, headerBytesMax: 256 });
  const query = (bytes: number) => ({ ...NEXT, url: `/socket.io/?${"q".repeat(bytes)}` });
  assert.equal(limits.refusal(query(64), "a"), undefined);
  assert.deepEqual(limits.refusal(query(65), "a"), { code: "LIMIT_QUERY" });
  const headers = (bytes: number) => ({ ...NEXT, headerBytes: bytes });
  assert.equal(limits.refusal(headers(256), "a"), undefined);
  assert.deepEqual(limits.refusal(headers(257), "a"), { code: "LIMIT_HEADERS" });
});

// Seen: a query of 2 KB with a parameter every five bytes took 44 KB for as long as its connection
// lived. The old code bounded its bytes alone.
test("a query has as many parameters as it may, and not one more", () => {
  const { limits } = createUnder({ queryParametersMax: 8 });
  const query = (count: number) => ({ ...NEXT, url: `/socket.io/?${"&".repeat(count - 1)}` });
  assert.equal(limits.refusal(query(8), "a"), undefined);
  assert.deepEqual(limits.refusal(query(9), "a"), { code: "LIMIT_QUERY" });
});

test("packets within the burst are fine, one more is refused, and time gives them back", () => {
  const world = createUnder({ eventsPerSecond: 10, eventsBurst: 20 });
  const mine = world.limits.opened("a");
  const other = world.limits.opened("a");
  assert.ok(mine && other);
  for (let i = 0; i < 20; i++) assert.equal(world.limits.take(mine, 1, world.now), "ok");
  assert.equal(world.limits.take(mine, 1, world.now), "refuse");
  assert.deepEqual(world.limits.exceeded(mine), { code: "LIMIT_EVENTS", retryAfterMs: 200 });
  assert.equal(world.limits.take(other, 1, world.now), "ok", "another connection has its own");
  world.now = 200;
  assert.equal(world.limits.take(mine, 1, world.now), "ok");
});

test("a connection that ignores refusals is closed one burst later", () => {
  const { limits } = createUnder({ eventsPerSecond: 10, eventsBurst: 20 });
  const mine = limits.opened("a");
  assert.ok(mine);
  const got = Array.from({ length: 41 }, () => limits.take(mine, 1, 0));
  assert.deepEqual(got.slice(0, 20), Array(20).fill("ok"));
  assert.deepEqual(got.slice(20, 40), Array(20).fill("refuse"));
  assert.equal(got[40], "close");
});

test("with overRate close the first packet over the rate closes", () => {
  const { limits } = createUnder({ eventsPerSecond: 1, eventsBurst: 2, overRate: "close" });
  const mine = limits.opened("a");
  assert.ok(mine);
  assert.deepEqual(
    [0, 1, 2].map(() => limits.take(mine, 1, 0)),
    ["ok", "ok", "close"],
  );
});

test("bytes are limited like packets, to the byte", () => {
  const world = createUnder({ bytesPerSecond: 1000, bytesBurst: 2000 });
  const mine = world.limits.opened("a");
  assert.ok(mine);
  assert.equal(world.limits.take(mine, 2000, world.now), "ok");
  assert.equal(world.limits.take(mine, 1, world.now), "refuse");
  assert.equal(world.limits.exceeded(mine).code, "LIMIT_BYTES");
  world.now = 1;
  assert.equal(world.limits.take(mine, 0, world.now), "ok");
});
