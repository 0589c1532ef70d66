import assert from "node:assert/strict";
import { test } from "node:test";
import { RedisAdapter } from "@socket.io/redis-adapter";
import { Socket as EngineSocket } from "engine.io";
import { Namespace, Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { readSocketIoVersion } from "../../src/core/version.ts";
import { attach } from "../../src/gateway/attach.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { loadNative } from "../../src/host/native.ts";
import { openClassic } from "../../src/seam/redis-adapter.ts";

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
  new RegExp(`^${library} ${readSocketIoVersion(library)} (lacks|cannot be checked:) .*${what}`);

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

test("@socket.io/redis-adapter without onrequest: no message of another node is taken unchecked", () =>
  lacking(RedisAdapter, "onrequest", () => {
    const message = refusal("@socket.io/redis-adapter", "RedisAdapter.onrequest");
    assert.throws(openClassic, { message });
  }));
