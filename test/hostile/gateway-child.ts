import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { PartialSettings } from "../../src/core/settings.ts";
import { request } from "../harness/wire-http.ts";

/** A question to the gateway's process. */
export interface Question {
  readonly id: number;
  readonly ask: "memory" | "stop";
}

/** What the gateway's process holds, after a garbage collection. */
export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  /** The most bytes it was ever resident with. */
  readonly peak: number;
  /** Open file descriptors. */
  readonly files: number;
}

/** A gateway in a child process. */
export interface GatewayChild {
  readonly port: number;
  /** All series of `/metrics`, by name and labels as they stand there. */
  scrape(): Promise<ReadonlyMap<string, number>>;
  memory(): Promise<Memory>;
  /** Throws with the exit code or signal if the process is gone. */
  assertAlive(): void;
  /** Ends it in the orderly way; throws unless it exits with 0. */
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("./gateway-process.ts", import.meta.url));

/**
 * Starts a gateway in a child process; resolves when it listens. With `heapMiB` Node.js ends the
 * process as soon as its heap needs more.
 */
export async function startGatewayChild(
  settings: PartialSettings,
  { heapMiB }: { readonly heapMiB?: number } = {},
): Promise<GatewayChild> {
  const socket = { host: "127.0.0.1", port: 0, drainMs: 0, ...settings.socket };
  const child = fork(PROGRAM, [JSON.stringify({ ...settings, socket })], {
    // Under npm this is the same node even if a loader stands before it.
    execPath: process.env.npm_node_execpath ?? process.execPath,
    execArgv: [
      ...["--import", "tsx", "--expose-gc"],
      ...(heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`]),
    ],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [{ port }] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`it exited with ${code}`))),
  ])) as [{ port: number }]; // the program's first message
  let lastId = 0;

  function assertAlive(): void {
    const { exitCode, signalCode } = child;
    if (exitCode !== null || signalCode !== null) {
      throw new Error(`the gateway's process is dead: exit ${exitCode}, signal ${signalCode}`);
    }
  }

  return {
    port,
    assertAlive,
    async scrape() {
      const answer = await request(port, { path: "/metrics" });
      return readSeries(answer.body);
    },
    memory() {
      lastId += 1;
      return ask(child, { id: lastId, ask: "memory" });
    },
    async stop() {
      assertAlive();
      const exited = once(child, "exit");
      child.send({ id: 0, ask: "stop" } satisfies Question);
      const [code, signal] = await exited;
      if (code !== 0) throw new Error(`the gateway's process exited with ${code ?? signal}`);
    },
  };
}

function ask(child: ChildProcess, question: Question): Promise<Memory> {
  return new Promise((resolve, reject) => {
    const hear = (answer: Memory & { id: number }) => {
      if (answer.id !== question.id) return;
      child.off("message", hear);
      child.off("exit", die);
      resolve(answer);
    };
    const die = () => reject(new Error("the gateway's process died"));
    child.on("message", hear);
    child.once("exit", die);
    child.send(question);
  });
}

/** Reads the Prometheus text format as far as Sluice writes it. */
export function readSeries(text: string): ReadonlyMap<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at > 0 && !line.startsWith("#")) series.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return series;
}
