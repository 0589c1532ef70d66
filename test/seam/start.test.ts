import assert from "node:assert/strict";
import { test } from "node:test";
import { Socket as EngineSocket } from "engine.io";
import { Namespace, Server } from "socket.io";
import { Adapter, ClusterAdapter } from "socket.io-adapter";
import { openBus } from "../../src/cluster/bus.ts";
import { readSettings } from "../../src/core/settings.ts";
import { readVersion } from "../../src/core/version.ts";
import { attach } from "../../src/gateway/attach.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { loadNative } from "../../src/host/native.ts";

/** Runs `use` while a class lacks a method. */
async function lacking(
  { prototype }: { readonly prototype: object },
  method: string,
  use: () => unknown,
): Promise<void> {
  const whole = Object.getOwnPropertyDescriptor(prototype, method);
  assert.ok(whole, method);
  Reflect.deleteProperty(prototype, method);
  try {
    await use();
  } finally {
    Object.defineProperty(prototype, method, whole);
  }
}

const refusal = (library: string, what: string) =>
  new RegExp(`^${library} ${readVersion(library)} (lacks|cannot be checked:) .*${what}`);

for (const [library, owner, method] of [
  ["engine.io", EngineSocket, "closeTransport"],
  ["socket.io", Namespace, "_createSocket"],
  ["socket.io-adapter", Adapter, "apply"],
] as const) {
  test(`${library} without ${method}: neither a gateway starts nor is a server attached`, () =>
    lacking(owner, method, async () => {
      const message = refusal(library, method);
      await assert.rejects(startGateway({ socket: { port: 0 }, recovery: { windowMs: 1000 } }), {
        message,
      });
      const app = loadNative().uws.App();
      assert.throws(() => attach(new Server(), app), { message });
    }));
}

test("socket.io-adapter without onMessage: no message of another node is taken unchecked", async (t) => {
  const { cluster } = readSettings({
    cluster: { redisUrl: "redis://127.0.0.1:1", adapter: "sharded", startup: "wait" },
  });
  const bus = openBus(cluster, { log() {}, lagged() {}, watch() {} });
  t.after(() => bus.stop());
  await lacking(ClusterAdapter, "onMessage", () => {
    const message = refusal("socket.io-adapter", "ClusterAdapter.onMessage");
    assert.throws(() => new bus.adapter(new Server().sockets), { message });
  });
});
