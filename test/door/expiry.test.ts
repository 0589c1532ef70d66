import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { Socket } from "socket.io";
import { createExpiry } from "../../src/door/expiry.ts";

const SETTINGS = { expiryWarningMs: 60_000, clockToleranceMs: 5000 };
const MINUTE = 60_000;

/** Connections whose sockets record what they are told, and a clock that the test sets. */
function createWorld(settings = SETTINGS) {
  const world = { now: 0 };
  const expiry = createExpiry(
    settings,
    () => world.now,
    async (token) => grantUntil(Number(token)),
  );
  const connect = () => {
    const closed: string[] = [];
    return { closed, closeAs: (reason: string) => void closed.push(reason) };
  };
  return Object.assign(world, {
    expiry,
    connect,
    add(conn: ReturnType<typeof connect>, expiresAt: number | undefined) {
      const told: unknown[] = [];
      const events = new EventEmitter();
      const socket = {
        ...{ conn, told, connected: true, data: {}, join() {}, leave() {} },
        once: events.once.bind(events),
        emit: (...given: unknown[]) => void told.push(given),
        end: () => void events.emit("disconnect"),
      };
      const fake = socket as unknown as Socket & typeof socket; // has what is used of a socket
      expiry.add(fake, grantUntil(expiresAt));
      return fake;
    },
  });
}

function grantUntil(expiresAt: number | undefined) {
  return { claims: {}, userId: "ann", owner: "ann", rooms: new Set<string>(), expiresAt };
}

test("a socket is warned once, as early as the setting says, and closed when forgiveness ends", () => {
  const world = createWorld();
  const conn = world.connect();
  const { told } = world.add(conn, 10 * MINUTE);
  world.now = 9 * MINUTE - 1;
  world.expiry.check(conn);
  assert.deepEqual(told, []);
  for (world.now = 9 * MINUTE; world.now < 10 * MINUTE + 5000; world.now += 1000) {
    world.expiry.check(conn);
    assert.deepEqual(told, [["token_expiring", { expiresAt: 10 * MINUTE }]]);
    assert.deepEqual(conn.closed, []);
  }
  world.expiry.check(conn);
  assert.deepEqual(conn.closed, ["token_expired"]);
});

test("a clock that is set, or a machine that slept, is noticed with the next check", () => {
  // Seen: after a machine had slept for an hour, a token that ended meanwhile went on for the rest of
  // the wait. The one timer was set for all of it, and timers do not count sleep.
  const world = createWorld();
  const conn = world.connect();
  const { told } = world.add(conn, 30 * MINUTE);
  world.expiry.check(conn);
  world.now = 60 * MINUTE;
  world.expiry.check(conn);
  assert.deepEqual([told, conn.closed], [[], ["token_expired"]]);
});

test("without a warning there is only the close, and a token without an end has neither", () => {
  const world = createWorld({ ...SETTINGS, expiryWarningMs: 0 });
  const [ends, lasts] = [world.connect(), world.connect()];
  const { told } = world.add(ends, MINUTE);
  world.add(lasts, undefined);
  assert.equal(world.expiry.size(), 2);
  world.now = MINUTE;
  for (const conn of [ends, lasts]) world.expiry.check(conn);
  assert.deepEqual([told, ends.closed], [[], []]);
  world.now = 1e15;
  for (const conn of [ends, lasts, world.connect()]) world.expiry.check(conn);
  assert.deepEqual([told, ends.closed, lasts.closed], [[], ["token_expired"], []]);
});

test("of several sockets of one connection each token counts, and the first that ends closes it", () => {
  const world = createWorld();
  const conn = world.connect();
  const sockets = [30, 10, 20].map((minutes) => world.add(conn, minutes * MINUTE));
  world.now = 9.5 * MINUTE;
  world.expiry.check(conn);
  assert.deepEqual(
    sockets.map(({ told }) => told.length),
    [0, 1, 0],
  );
  sockets[1]?.end();
  assert.equal(world.expiry.size(), 2);
  world.now = 11 * MINUTE;
  world.expiry.check(conn);
  assert.deepEqual(conn.closed, [], "its socket has left");
  world.now = 21 * MINUTE;
  world.expiry.check(conn);
  assert.deepEqual(conn.closed, ["token_expired"]);
  world.expiry.stop();
  for (const socket of sockets) socket.end();
  assert.equal(world.expiry.size(), 0);
});

test("a newer token moves the close, and is warned of anew", async () => {
  const world = createWorld();
  const conn = world.connect();
  const socket = world.add(conn, MINUTE);
  world.expiry.check(conn);
  const packet = { data: ["token_refresh", 10 * MINUTE] };
  assert.equal(world.expiry.takeRefresh(socket, packet), true);
  await new Promise(setImmediate);
  world.now = 2 * MINUTE;
  world.expiry.check(conn);
  assert.deepEqual(conn.closed, []);
  world.now = 9 * MINUTE;
  world.expiry.check(conn);
  const expiries = [MINUTE, 10 * MINUTE].map((expiresAt) => ["token_expiring", { expiresAt }]);
  assert.deepEqual(socket.told, expiries);
  assert.equal(world.expiry.takeRefresh(socket, { data: ["news"] }), false);
});
