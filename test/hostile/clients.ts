import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What the well-behaved clients saw. */
export interface ClientsReport {
  readonly acks: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Broadcasts received, over all clients. */
  readonly ticks: number;
  /** Broadcasts that did not follow the one before them. */
  readonly holes: number;
  /** Connections lost. */
  readonly lost: number;
  /** Questions without an answer in 20 s. */
  readonly unanswered: number;
}

/** Well-behaved clients in a process of their own. */
export interface Clients {
  /** Forgets the latencies so far. */
  reset(): void;
  /** Ends it; resolves with what it saw. */
  stop(): Promise<ClientsReport>;
}

const PROGRAM = fileURLToPath(new URL("./clients-process.ts", import.meta.url));

/** Connects `count` real clients, half msgpack, a quarter each polling and upgraded. */
export async function startClients(port: number, count: number): Promise<Clients> {
  const child = fork(PROGRAM, [String(port), String(count)], {
    execArgv: ["--import", "tsx"],
    execPath: process.env.npm_node_execpath ?? process.execPath,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const dead = once(child, "exit").then(([code]) => {
    throw new Error(`the process of the clients exited with ${code}`);
  });
  dead.catch(() => {});
  await Promise.race([once(child, "message"), dead]);
  return {
    reset: () => void child.send("reset"),
    async stop() {
      const answered = once(child, "message");
      child.send("stop");
      const [report] = await Promise.race([answered, dead]);
      return report as ClientsReport; // its second and last message
    },
  };
}
