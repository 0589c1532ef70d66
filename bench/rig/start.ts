import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { ROOT } from "./build.ts";
import type { Context } from "./scenario.ts";

/** A process that does not listen by then never will. */
const START_TIMEOUT_MS = 20_000;

/**
 * Starts `node` with the arguments for a free port, pinned to the server's core, and returns the
 * milliseconds until that port accepts a connection. The process is gone afterwards.
 */
export async function timeToListening(
  argsFor: (port: number) => readonly string[],
  context: Pick<Context, "placement" | "signal" | "started">,
): Promise<number> {
  const port = await findFreePort();
  const { server } = context.placement;
  const pin = server === undefined ? [] : ["taskset", "-c", `${server}`];
  const [command = "", ...args] = [...pin, process.execPath, ...argsFor(port)];
  const startedMs = performance.now();
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  if (child.pid !== undefined) context.started(child.pid);
  try {
    while (!(await accepts(port))) {
      context.signal.throwIfAborted();
      if (child.exitCode !== null || child.pid === undefined)
        throw new Error(`${args.join(" ")} ended with ${child.exitCode} before it listened`);
      if (performance.now() - startedMs > START_TIMEOUT_MS)
        throw new Error(`${args.join(" ")} did not listen within ${START_TIMEOUT_MS} ms`);
    }
    return performance.now() - startedMs;
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Whether a connection succeeds; a refused one is told a millisecond later, so as not to spin. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => setTimeout(resolve, 1, false));
  });
}
