import type { Context } from "./scenario.ts";
import { type ServerContext, startServer } from "./servers.ts";

/**
 * Starts `node` with the arguments for a free port, pinned to the server's core, and returns the
 * milliseconds until that port accepts a connection. The process is gone afterwards.
 */
export async function timeToListening(
  argsFor: (port: number) => readonly string[],
  context: ServerContext & Pick<Context, "placement">,
): Promise<number> {
  const cores = [context.placement.server];
  const server = await startServer((port) => [process.execPath, ...argsFor(port)], context, cores);
  await server.end(); // by SIGTERM: what it keeps for its next start, it writes when it exits
  return server.listeningMs;
}
