import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo, Server } from "node:net";
import type { TestContext } from "node:test";
import { toNodeListener } from "../../src/edge/node.ts";

/** Has a server listen until the test is over; resolves with its URL. */
export async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves a listener of Node's http; resolves with its URL. */
export async function serveNode(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  t.after(() => server.closeAllConnections());
  return listen(t, server);
}

/** Serves a `fetch` handler; resolves with its URL. */
export function serve(
  t: TestContext,
  handler: (request: Request) => Promise<Response>,
): Promise<string> {
  return serveNode(t, toNodeListener(handler));
}
