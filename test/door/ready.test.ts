/** `/readyz` says what a new client would meet: nothing else, and with the reason. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { testFolder } from "../harness/process.ts";
import { until } from "../harness/wait.ts";

const POLL = "/socket.io/?EIO=4&transport=polling";

type Needs = Parameters<typeof testGateway>[2];

/** Why every handshake may be refused, and settings under which the second one is. */
const REASONS: Readonly<Record<string, [PartialSettings, Needs?]>> = {
  OVERLOADED: [
    { overload: { sampleMs: 10 } },
    { load: () => ({ lagMs: 600, memoryPercent: 0 }) }, // the first stage only
  ],
  LIMIT_CONNECTIONS: [{ limits: { connectionsMax: 1 } }],
  LIMIT_HANDSHAKES: [{ limits: { handshakesPerSecond: 1, handshakesBurst: 1 } }],
  // Seen: ready, though connections in no namespace kept everyone out. They had been left out here.
  LIMIT_OUTSIDE: [{ limits: { outsideMax: 1 } }],
  LIMIT_POLLING: [{ limits: { pollingConnectionsMax: 1 }, socket: { transports: ["polling"] } }],
};

for (const [code, [settings, needs]] of Object.entries(REASONS)) {
  test(`a gateway that refuses everyone with ${code} is not ready, and says so`, async (t) => {
    // Seen: /readyz 200 while every handshake got 503. It knew of draining and of nothing else.
    const gateway = await testGateway(t, settings, needs);
    await until(async () => {
      const { status, body } = await ask(gateway.url + POLL);
      if (status !== 503) return false;
      assert.equal(JSON.parse(body).code, code);
      const ready = await ask(`${gateway.url}/readyz`);
      if (ready.status !== 503) return false; // a second has passed, and with it the limit
      assert.match(ready.body, new RegExp(`^${code}: .`));
      assert.ok(ready.headers["retry-after"]);
      return true;
    }, "nobody is let in, and it is not ready");
    assert.equal((await ask(`${gateway.url}/healthz`)).status, 200);
  });
}

test("what only some are refused for leaves a gateway ready", async (t) => {
  const limits = { pollingConnectionsMax: 1, addressConnectionsMax: 2 };
  const gateway = await testGateway(t, { limits });
  assert.equal((await ask(gateway.url + POLL)).status, 200);
  assert.equal((await ask(gateway.url + POLL)).status, 503, "long-polling is full");
  await gateway.connected();
  assert.equal((await ask(gateway.url + POLL)).status, 503);
  assert.equal((await ask(`${gateway.url}/readyz`)).body, "ready\n");
});

test("what a start takes is no load: the first clients are let in", async (t) => {
  // Seen: ready, and 503 for every handshake for seconds. The lag was measured from the middle of the
  // start on, so that a slow handler module, or a busy machine, was an overload when it listened.
  const module = join(testFolder(t), "slow.mjs");
  const busy = "const end = Date.now() + 3000; while (Date.now() < end);";
  writeFileSync(module, `export default () => { ${busy} };`);
  const gateway = await testGateway(t, {
    handlers: { module },
    // One block of 3 s is a lag of nearly 3 s; left only after 100 s.
    overload: { sampleMs: 50, calmSamples: 1000, refuseLagMs: 1500 },
  });
  for (let n = 0; n < 20; n++) {
    assert.equal((await ask(gateway.url + POLL)).status, 200);
    assert.equal((await ask(`${gateway.url}/readyz`)).body, "ready\n");
  }
  assert.equal(await gateway.metric("sluice_overload_stage"), 0);
});
