import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness/wait.ts";
import { openClient } from "../harness/wire-io.ts";
import { startGatewayChild } from "../hostile/gateway-child.ts";

// Seen: lost sessions of 276 KiB each, bounded by their number alone, filled a process whose
// sluice_recovery_bytes said 0. The old code measured packets and no sessions.
test("lost sessions of what clients could have kept there end no process of little heap", async (t) => {
  const gateway = await startGatewayChild(
    {
      overload: { enabled: false },
      recovery: { windowMs: 600_000, bytesMax: 8_388_608, sessionBytesMax: 1_048_576 },
    },
    { heapMiB: 96 },
  );
  t.after(() => gateway.stop());
  const sessions = "sluice_recovery_sessions";
  for (let n = 0; n < 250; n++) {
    const client = await openClient(gateway.port, "websocket", "json");
    await client.ask("keep", Array(500).fill("x".repeat(1000)));
    client.session.close("reset");
  }
  await until(async () => {
    const series = await gateway.scrape();
    const all =
      (series.get(sessions) ?? 0) + (series.get("sluice_recovery_dropped_sessions_total") ?? 0);
    return all === 250;
  }, "all are lost");
  const series = await gateway.scrape();
  assert.ok((series.get("sluice_recovery_bytes") ?? 0) <= 8_388_608);
  assert.ok((series.get("sluice_recovery_bytes") ?? 0) > 4_194_304, "sessions are counted");
  gateway.assertAlive();
});
