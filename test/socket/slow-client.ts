import type { TestContext } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import type { PartialSettings } from "../../src/core/settings.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { slowProxy } from "../harness/slow-proxy.ts";
import { next } from "../harness/wait.ts";

/** Starts a gateway that bears with slow clients, and one whose reading can be slowed or stopped. */
export async function slowClient(t: TestContext, settings: PartialSettings["socket"] = {}) {
  const gateway = await testGateway(t, {
    socket: { bufferBytesMax: 64 * 1_048_576, stallMsMax: 60_000, ...settings },
  });
  const proxy = await slowProxy(t, gateway.port);
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const client = newClient(proxy.url);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  const [socket] = await arrived;
  return { gateway, proxy, client, socket };
}
