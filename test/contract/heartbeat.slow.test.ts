/** Engine.IO protocol v4, "Heartbeat": against the stock implementation and against Sluice. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openSession } from "../harness/wire-io.ts";
import { createContractApp } from "./app.ts";
import { orderly, type Started, TARGETS, type Target } from "./targets.ts";

for (const target of TARGETS.filter((one) => one.name !== "stock/msgpack")) {
  // Each test waits for a clock of the server, so they run side by side.
  describe(`Engine.IO heartbeat: ${target.name}`, { concurrency: 6 }, () => suite(target));
}

function suite(target: Target): void {
  let started: Started;
  const app = createContractApp();
  before(async () => {
    started = await target.start({ pingInterval: 250, pingTimeout: 2000 }, app.install);
  });
  after(() => started.stop());

  for (const transport of ["polling", "websocket", "upgraded"] as const) {
    test(`${transport}: pings keep coming while they are answered`, async () => {
      const session = await openSession(started.port, transport, { mute: true });
      for (let beat = 0; beat < 3; beat++) {
        assert.equal(await session.next(), "2");
        await session.send("3");
      }
      session.close();
    });

    test(`${transport}: an unanswered ping ends the session as "ping timeout"`, async () => {
      const session = await openSession(started.port, transport, { mute: true });
      await session.send("40");
      // On a busy machine the first ping may come before the answer.
      const both = [String(await session.next()), String(await session.next())].sort();
      assert.equal(both[0], "2");
      const { sid } = JSON.parse(both[1]?.slice(2) ?? "");
      const end = await session.ended();
      if (transport === "polling") assert.equal(end.answer?.status, 400);
      else orderly(end.code, "ping_timeout");
      assert.equal(app.reasons.get(sid), "ping timeout");
      session.close();
    });
  }
}
