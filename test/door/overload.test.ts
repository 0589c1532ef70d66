import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";
import { createOverloadMonitor, type Load, type Sheddable } from "../../src/door/overload.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { next, until } from "../harness/wait.ts";

interface Fake extends Sheddable {
  readonly name: string;
  joined: boolean;
  inboundBytes: number;
  closeReason: string | undefined;
  closed: string | undefined;
}

const LAGS = { refuseLagMs: 200, idleLagMs: 500, slowLagMs: 1000 };

function createWorld(overload: Record<string, unknown> = {}) {
  const settings = readSettings({
    overload: { ...LAGS, calmSamples: 3, idleMs: 1000, ...overload },
  }).overload;
  const world = {
    now: 100_000,
    load: { lagMs: 0, memoryPercent: 0 } as Load,
    connections: [] as Fake[],
    lines: [] as string[],
    running: true,
  };
  let tick = () => {};
  const monitor = createOverloadMonitor(settings, {
    sample: () => world.load,
    now: () => world.now,
    every(_ms, given) {
      tick = given;
      return () => {
        world.running = false;
      };
    },
    connections: () => world.connections.filter((connection) => !connection.closed),
    log: (level, _kind, fields, text) => world.lines.push(`${level} ${fields.stage} ${text}`),
  });
  return Object.assign(world, {
    monitor,
    stages: () => (["refuse", "idle", "slow"] as const).filter((stage) => monitor.isActive(stage)),
    tick(times = 1, load?: Partial<Load>) {
      world.load = { ...world.load, ...load };
      for (let i = 0; i < times; i++) tick();
    },
    add(name: string, transport: string, heardAt: number, heldBytes = 0) {
      const connection: Fake = {
        name,
        transport: { name: transport },
        heardAt,
        heldBytes,
        joined: true,
        inboundBytes: 0,
        closeReason: undefined,
        closed: undefined,
        closeAs(reason) {
          this.closed = reason;
        },
      };
      world.connections.push(connection);
      return connection;
    },
    closed: () => world.connections.filter((one) => one.closed).map((one) => one.name),
  });
}

test("a threshold itself is no overload, one above it is, and stages rise one sample at a time", () => {
  const world = createWorld();
  world.tick(5, { lagMs: 200 });
  assert.deepEqual(world.stages(), []);
  world.tick(5, { lagMs: 201 });
  assert.deepEqual(world.stages(), ["refuse"]);
  world.tick(1, { lagMs: 5000 });
  assert.deepEqual(world.stages(), ["refuse", "idle"]);
  world.tick(1);
  assert.deepEqual(world.stages(), ["refuse", "idle", "slow"]);
  world.tick(9);
  assert.deepEqual(world.stages(), ["refuse", "idle", "slow"]);
});

test("memory raises the stages as lag does", () => {
  const world = createWorld();
  world.tick(3, { memoryPercent: 86 });
  assert.deepEqual(world.stages(), ["refuse"]);
  world.tick(3, { memoryPercent: 99 });
  assert.deepEqual(world.stages(), ["refuse", "idle", "slow"]);
});

test("a stage is left after calm samples in a row, and a load on the line changes nothing", () => {
  const world = createWorld();
  world.tick(2, { lagMs: 600 });
  assert.deepEqual(world.stages(), ["refuse", "idle"]);
  world.tick(50, { lagMs: 450 }); // below idle's 500, above 80 % of it
  assert.deepEqual(world.stages(), ["refuse", "idle"]);
  world.tick(2, { lagMs: 100 });
  world.tick(1, { lagMs: 450 });
  world.tick(2, { lagMs: 100 });
  assert.deepEqual(world.stages(), ["refuse", "idle"], "the row was broken");
  world.tick(1);
  assert.deepEqual(world.stages(), ["refuse"]);
  world.tick(3);
  assert.deepEqual(world.stages(), []);
  assert.deepEqual(world.lines, [
    "warn refuse load is shed",
    "warn idle load is shed",
    "warn refuse load is shed less",
    "info none load is shed less",
  ]);
});

test("the idle stage closes silent long-polling connections, so many per sample, and no others", () => {
  const world = createWorld({ closesPerSample: 2 });
  for (let i = 0; i < 5; i++) world.add(`idle ${i}`, "polling", world.now - 1000);
  world.add("busy", "polling", world.now - 999);
  world.add("websocket", "websocket", 0, 5000);
  world.tick(1, { lagMs: 600 });
  assert.deepEqual(world.closed(), []);
  world.tick(1);
  assert.deepEqual(world.closed(), ["idle 0", "idle 1"]);
  world.tick(2);
  assert.equal(world.closed().length, 5);
  world.tick(5);
  assert.ok(!world.closed().includes("busy") && !world.closed().includes("websocket"));
});

test("the slow stage closes those that hold the most unsent bytes, the most first", () => {
  const world = createWorld({ closesPerSample: 2 });
  for (const [i, held] of [10, 0, 70, 30, 50, 20].entries()) {
    world.add(`holds ${held}`, "websocket", i, held);
  }
  world.tick(3, { lagMs: 2000 });
  assert.deepEqual(new Set(world.closed()), new Set(["holds 70", "holds 50"]));
  world.tick(5);
  assert.ok(!world.closed().includes("holds 0"), "who holds nothing is no slow consumer");
  assert.equal(world.closed().length, 5);
});

// Seen: 500 connections outside every namespace held 600 of an allowed 420 MiB in unfinished messages,
// with every stage active and nothing closed. The old code closed those with unsent bytes alone.
test("where it is memory, connections in no namespace are closed first, the oldest of them", () => {
  const world = createWorld({ closesPerSample: 2 });
  world.add("idle", "polling", 0);
  for (let n = 0; n < 3; n++) world.add(`outside ${n}`, "websocket", world.now).joined = false;
  world.add("member", "websocket", 0);
  world.tick(2, { lagMs: 600 });
  assert.deepEqual(world.closed(), ["idle"], "with lag alone they are clients on their way in");
  world.tick(1, { lagMs: 0, memoryPercent: 91 });
  assert.deepEqual(world.closed(), ["idle", "outside 0", "outside 1"]);
  world.tick(3, { memoryPercent: 99 });
  assert.deepEqual(world.closed(), ["idle", "outside 0", "outside 1", "outside 2"]);
  const reasons = world.connections.map(({ closed }) => closed);
  assert.deepEqual(reasons, ["overload", ...Array(3).fill("overload_outside"), undefined]);
});

// Seen: long-polling connections that waited for the poll that takes their close were closed anew with
// each sample, and nobody else. The old code counted them among closesPerSample.
test("who is being closed already takes nobody's place among those that are closed next", () => {
  const world = createWorld({ closesPerSample: 2 });
  for (let n = 0; n < 3; n++) {
    Object.assign(world.add(`closing ${n}`, "polling", world.now), {
      ...{ joined: false, closeReason: "overload_outside" },
    });
  }
  world.add("outside", "polling", world.now).joined = false;
  world.add("idle", "polling", 0);
  world.tick(2, { lagMs: 600, memoryPercent: 91 });
  assert.deepEqual(world.closed(), ["outside", "idle"]);
});

// Seen, and why: as above, with attachments that never come.
test("the slow stage counts what is unfinished with what is unsent", () => {
  const world = createWorld({ closesPerSample: 1 });
  world.add("unsent", "websocket", 0, 50);
  world.add("both", "websocket", 0, 40).inboundBytes = 20;
  world.add("unfinished", "websocket", 0).inboundBytes = 55;
  world.tick(3, { lagMs: 2000 });
  assert.deepEqual(world.closed(), ["both"]);
  world.tick(1);
  assert.deepEqual(new Set(world.closed()), new Set(["both", "unfinished"]));
});

test("switched off it never looks, and stopped it looks no more", () => {
  const off = createWorld({ enabled: false });
  off.tick(9, { lagMs: 9999 });
  assert.deepEqual(off.stages(), []);
  const on = createWorld();
  on.monitor.stop();
  assert.equal(on.running, false);
});

test("under injected load a gateway refuses handshakes, keeps who is in, and recovers", async (t) => {
  let load: Load = { lagMs: 0, memoryPercent: 0 };
  const gateway = await testGateway(
    t,
    { overload: { ...LAGS, sampleMs: 10, calmSamples: 1, idleMs: 100 } },
    { load: () => load },
  );
  gateway.io.on("connection", (socket) => socket.on("ask", (done) => done("ok")));
  const member = await gateway.connected();
  const idle = await gateway.connected({ transports: ["polling"] });
  const gauge = (stage: string) => gateway.metric("sluice_overload_stage", { stage });
  assert.equal(await gauge("refuse"), 0);
  load = { lagMs: 300, memoryPercent: 0 };
  await until(async () => (await gauge("refuse")) === 1, "handshakes are refused");
  const url = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const answer = await ask(url);
  assert.equal(answer.status, 503);
  assert.equal(JSON.parse(answer.body).code, "OVERLOADED");
  assert.ok(Number(answer.headers["retry-after"]) >= 5);
  assert.equal(
    await gateway.metric("sluice_handshakes_refused_total", { reason: "overloaded" }),
    1,
  );
  assert.equal(await member.emitWithAck("ask"), "ok");
  assert.ok(idle.connected, "nobody is closed in the first stage");
  const gone = next(idle, "disconnect");
  load = { lagMs: 600, memoryPercent: 0 };
  await gone;
  const labels = { reason: "overload" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", labels), 1);
  assert.equal(await member.emitWithAck("ask"), "ok");
  load = { lagMs: 0, memoryPercent: 0 };
  await until(async () => (await ask(url)).status === 200, "everyone is welcome again");
  assert.equal(await gauge("idle"), 0);
});

test("a loop that is really blocked raises the first stage, and its end lowers it", async (t) => {
  const gateway = await testGateway(t, {
    overload: {
      sampleMs: 50,
      calmSamples: 2,
      refuseLagMs: 60,
      idleLagMs: 60_000,
      slowLagMs: 60_000,
    },
  });
  const gauge = () => gateway.metric("sluice_overload_stage", { stage: "refuse" });
  await until(async () => {
    const end = Date.now() + 150;
    while (Date.now() < end) JSON.stringify([end]);
    return (await gauge()) === 1;
  }, "handshakes are refused");
  await until(async () => (await gauge()) === 0, "and taken again");
  await gateway.connected();
});
