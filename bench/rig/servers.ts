import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { ROOT } from "./build.ts";
import type { Context } from "./scenario.ts";

/** A process that does not listen by then never will. */
const START_TIMEOUT_MS = 60_000;
/** What has not ended by then is killed. */
const END_GRACE_MS = 3000;

/** A server that is no child of the rig's own: it listens on a port and answers to signals. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** From spawning it to the first connection it accepted, in milliseconds. */
  readonly listeningMs: number;
  /** Ends it and resolves when it is gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

/** What starting a server needs of the context. */
export type ServerContext = Pick<Context, "signal" | "keep">;

/**
 * Starts a command for a free port on the given cores, anywhere if there are none, and returns it
 * once it accepts a connection. It ends with the scenario at the latest.
 */
export async function startServer(
  commandFor: (port: number) => readonly string[],
  context: ServerContext,
  cores: readonly (number | undefined)[],
): Promise<Server> {
  const port = await findFreePort();
  const allowed = cores.filter((core) => core !== undefined);
  const pin = allowed.length === 0 ? [] : ["taskset", "-c", allowed.join(",")];
  const [command = "", ...args] = [...pin, ...commandFor(port)];
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
  const end = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), END_GRACE_MS);
    await ended;
    clearTimeout(timer);
  };
  const pid = child.pid ?? 0;
  context.keep({ pid, end });
  while (!(await accepts(port))) {
    context.signal.throwIfAborted();
    if (child.exitCode !== null || child.pid === undefined)
      throw new Error(`${args.join(" ")} ended with ${child.exitCode} before it listened`);
    if (performance.now() - startedMs > START_TIMEOUT_MS)
      throw new Error(`${args.join(" ")} did not listen within ${START_TIMEOUT_MS} ms`);
  }
  return { pid, port, listeningMs: performance.now() - startedMs, end };
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

/** Seconds of CPU that the threads of a process and of its children have used (proc(5)). */
export function cpuOfTree(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    nanoseconds += Number(stat.slice(0, stat.indexOf(" ")));
  }
  return childrenOf(pid).reduce((sum, child) => sum + cpuOfTree(child), nanoseconds / 1e9);
}

/** The processes that a process has started. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}
