import type { TestContext } from "node:test";
import { findFreePort } from "./free-port.ts";
import { startProcess, type TestProcess, testFolder } from "./process.ts";
import { until } from "./wait.ts";

/** A real Redis of one test. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Ends it without a word; its data is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Stops its process for a while, or lets it go on. */
  freeze(frozen: boolean): void;
  /** Runs one command of redis-cli and returns what it printed. */
  command(...words: string[]): Promise<string>;
}

/** Starts Debian's redis-server on a free port; it ends with the test. */
export async function testRedis(
  t: TestContext,
  options: readonly string[] = [],
): Promise<TestRedis> {
  const port = await findFreePort();
  const folder = testFolder(t);
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  let running: TestProcess | undefined;
  const start = async (): Promise<void> => {
    const server = startProcess(t, ["redis-server", ...args, ...options]);
    running = server;
    await until(() => server.output().includes("Ready to accept connections"), "redis-server");
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    start,
    async kill() {
      running?.child.kill("SIGKILL");
      await running?.exit();
    },
    freeze: (frozen) => void running?.child.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    async command(...words) {
      const cli = startProcess(t, ["redis-cli", "-p", String(port), ...words]);
      await cli.exit();
      return cli.output().trim();
    },
  };
}
