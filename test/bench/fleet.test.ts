import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Server, type Socket } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";
import { watchBroadcasts } from "../../bench/generator/broadcast.ts";
import { runEcho } from "../../bench/generator/echo.ts";
import { createFleet, type FleetOptions } from "../../bench/generator/fleet.ts";
import { resumeStalled, stallSome } from "../../bench/generator/stall.ts";
import { createBodies, nowUs } from "../../bench/wire/marker.ts";

const bodies = createBodies(64);

/** A stock server in this process, its sockets in the order of their connections. */
async function startServer(refuseFirst = 0, codec: "json" | "msgpack" = "json") {
  const http = createServer();
  const io = new Server(http, codec === "msgpack" ? { parser: msgpackParser } : {});
  const sockets: Socket[] = [];
  let attempts = 0;
  io.use((_, next) => next(++attempts <= refuseFirst ? new Error("later") : undefined));
  io.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("e", (body, ack) => ack(body));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, sockets, stop: () => new Promise<void>((r) => void io.close(() => r())) };
}

function target(port: number, count: number, more: Partial<FleetOptions> = {}): FleetOptions {
  return {
    ...{ host: "127.0.0.1", port, path: "/socket.io/", codec: "json", namespace: "/", tls: false },
    ...{ groups: [{ role: "member", count, query: "" }], concurrency: 8, timeoutMs: 10_000 },
    ...more,
  };
}

test("refused clients come back when told to, and are failures when not", async () => {
  const server = await startServer(3);
  const fleet = createFleet();
  try {
    const first = await fleet.connect(target(server.port, 2));
    assert.deepEqual([first.joined, first.failed, first.refused], [0, 2, 2]);
    assert.match(first.reasons.join(), /refused: .*later/);
    const second = await fleet.connect(target(server.port, 4, { retryMs: 10 }));
    assert.deepEqual([second.joined, second.failed, second.refused], [4, 0, 1]);
    assert.equal(second.handshakesUs.length, 4);
  } finally {
    fleet.drop();
    await server.stop();
  }
});

test("a silent hole at a stalled reader is told from a close", async () => {
  const server = await startServer();
  const fleet = createFleet();
  try {
    await fleet.connect(target(server.port, 3, { concurrency: 1 }));
    const [holed, closed, reading] = server.sockets;
    stallSome(fleet, 2);
    const options = { firstSequence: 10, tellsLatency: true, napMs: 0 };
    const watch = await watchBroadcasts(fleet, options);
    for (const sequence of [10, 11, 12]) reading?.emit("m", bodies(sequence, nowUs()));
    for (const sequence of [10, 12]) holed?.emit("m", bodies(sequence, nowUs()));
    closed?.emit("m", bodies(10, nowUs()));
    closed?.disconnect(true);
    const watched = await watch.settle(12, 5000);
    assert.deepEqual(
      [watched.members, watched.expected, watched.received, watched.lost, watched.early],
      [1, 3, 3, 0, 0],
    );
    assert.equal(watched.latency.count, 3);
    const resumed = await resumeStalled(fleet, { lastSequence: 12, quietMs: 200 });
    const expected = { stalled: 2, closed: 1, withHole: 1, lostSilently: 1, received: 3 };
    assert.deepEqual(resumed, expected);
  } finally {
    fleet.drop();
    await server.stop();
  }
});

for (const codec of ["json", "msgpack"] as const)
  test(`${codec} events come back once each, saturated and on schedule`, async () => {
    const server = await startServer(0, codec);
    const fleet = createFleet();
    try {
      await fleet.connect(target(server.port, 4, { codec }));
      const load = { codec, payloadBytes: 64, durationMs: 60, depth: 4, napMs: 0 };
      let saturated = await runEcho(fleet, load);
      // A busy machine needs longer for a second round.
      for (let durationMs = 240; saturated.received <= 16; durationMs *= 4)
        saturated = await runEcho(fleet, { ...load, durationMs });
      const paced = await runEcho(fleet, { ...load, ratePerS: 500 });
      assert.deepEqual([paced.sent, paced.latency.count], [30, 30]);
      for (const { sent, received, lost, duplicated, reordered } of [saturated, paced])
        assert.deepEqual([received, lost, duplicated, reordered], [sent, 0, 0, 0]);
    } finally {
      fleet.drop();
      await server.stop();
    }
  });

test("a message before its time is counted: clocks that disagree void a latency", async () => {
  const server = await startServer();
  const fleet = createFleet();
  try {
    await fleet.connect(target(server.port, 1));
    const watch = await watchBroadcasts(fleet, { firstSequence: 0, tellsLatency: true, napMs: 1 });
    server.sockets[0]?.emit("m", bodies(0, nowUs() + 60_000_000));
    assert.equal((await watch.settle(0, 5000)).early, 1);
  } finally {
    fleet.drop();
    await server.stop();
  }
});
