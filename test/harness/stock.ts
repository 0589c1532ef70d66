import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { Server, type ServerOptions } from "socket.io";

/** Starts stock Socket.IO on Node.js' own http server; it ends with the test. */
export async function startStock(
  t: TestContext,
  options: Partial<ServerOptions> = {},
): Promise<{ readonly io: Server; readonly port: number; readonly url: string }> {
  const http = createServer();
  const io = new Server(http, options);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    http.closeAllConnections();
    return io.close();
  });
  const { port } = http.address() as AddressInfo; // listening on TCP
  return { io, port, url: `http://127.0.0.1:${port}` };
}
