import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Returns a port of the loopback that was free a moment ago, for servers that cannot pick one and
 * say which. It is none of those the system picks by itself (32768 and up on Linux): the next
 * connection of a test beside this one might get it.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + randomInt(22_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
