import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { listen } from "../../src/host/listen.ts";
import { loadNative } from "../../src/host/native.ts";

// Seen: one sentence named three causes for a port that could not be opened. uWebSockets.js says
// only that it failed, so the old code could not tell them apart.
test("a port in use and an address of another machine are told apart", async (t) => {
  const { uws } = loadNative();
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const address = other.address();
  assert.ok(address !== null && typeof address === "object");
  const { port } = address;
  await assert.rejects(listen(uws.App(), { host: "127.0.0.1", port }), {
    message: `cannot listen on 127.0.0.1:${port}: another process uses the port; stop it, or set another port`,
  });
  await assert.rejects(listen(uws.App(), { host: "192.0.2.1", port }), {
    name: "SettingsError",
    message: /socket\.host = "192\.0\.2\.1": this machine does not have the address$/,
  });
});
