import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOM = new URL("../../src/upstream/upstream.ts", import.meta.url);
const SETTINGS = new URL("../../src/core/settings.ts", import.meta.url);

/** A process that stops in the middle of everything, then has nothing left to keep it alive. */
const SCRIPT = `
import { createServer } from "node:http";
import { createUpstream } from ${JSON.stringify(fileURLToPath(ROOM))};
import { readSettings } from ${JSON.stringify(fileURLToPath(SETTINGS))};
const server = createServer((request, response) => {
  if (request.url === "/fails") response.writeHead(503, { "retry-after": "60" }).end();
});
server.listen(0, "127.0.0.1", async () => {
  const origin = "http://127.0.0.1:" + server.address().port;
  const { upstream: settings } = readSettings({ upstream: {
    secrets: ["whsec_" + Buffer.alloc(32, 1).toString("base64")],
    drainMs: 0, retryMs: 60000, retryMsMax: 60000, batchMs: 60000, batchMax: 2, timeoutMs: 300000,
    routes: [
      { namespace: "/", event: "fails", url: origin + "/fails" },
      { namespace: "/", event: "batch", url: origin + "/batch", batch: true },
      { namespace: "/", event: "*", url: origin.replace("127.0.0.1", "localhost") + "/hangs" },
    ],
  } });
  const upstream = createUpstream(settings, { log() {}, async apply() {} });
  let told = 0;
  for (const name of ["fails", "batch", "hangs", "asks"]) {
    const state = { describe: () => ({}), rooms: () => [], update: () => ({ outcome: "done" }) };
    const lane = upstream.open({ id: name, namespace: "/", ...state });
    for (let n = 0; n < 3; n++) lane.event(name, [n], name === "asks" ? () => told++ : undefined);
    lane.end("gone");
  }
  while (!(upstream.samples().calls["event fails UPSTREAM_PAUSED"] > 0)) await new Promise(setImmediate);
  await upstream.stop();
  server.close();
  server.closeAllConnections();
  console.log(JSON.stringify({ told, queued: upstream.samples().queued }));
});
`;

test("after a stop in the middle of everything, no timer and no connection keeps a process", () => {
  const args = ["--import", "tsx", "--input-type=module", "-e", SCRIPT];
  // What did not fit in a batch began the next one while the stop ended the first: its timer kept
  // the process for batchMs, because only what was still in the queues was given up by then.
  // Every wait in there takes a minute or more, so a timer that was left would be one too many.
  const done = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 30_000 });
  assert.equal(done.status, 0, `${done.signal} ${done.stderr}`);
  assert.deepEqual(JSON.parse(done.stdout), {
    told: 3,
    queued: { events: 0, bytes: 0, pausedBytes: 0 },
  });
});
