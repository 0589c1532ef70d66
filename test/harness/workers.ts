import type { TestContext } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { findFreePort } from "./free-port.ts";
import { type ClientOptions, newClient } from "./gateway.ts";
import { SLUICE, startProcess, type TestProcess } from "./process.ts";
import { next, until } from "./wait.ts";

/** The command of a gateway, up to its port. */
export const ON_PORT = [...SLUICE, "--socket.port"];
export const WORKERS = ["--socket.host", "127.0.0.1", "--cluster.workers", "2"];
export const WEBSOCKET = ["--socket.transports", "websocket", "--socket.drainMs", "500"];

/** Resolves when so many workers have said that they listen. */
export function listening(run: TestProcess, count: number): Promise<void> {
  const lines = () => run.output().match(/listening on port/g)?.length ?? 0;
  return until(() => lines() >= count, `${count} workers`, 60_000);
}

/** A client, and the process id of its worker. */
export interface WorkerClient {
  readonly client: Client;
  readonly pid: number;
}

/** Starts two workers whose events `obedient.ts` answers, with recovery in their primary. */
export async function startObedient(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const port = await findFreePort();
  const run = startProcess(t, [...ON_PORT, String(port), ...WORKERS, ...WEBSOCKET], {
    SLUICE_HANDLERS_MODULE: "test/harness/obedient.ts",
    SLUICE_RECOVERY_WINDOW_MS: "60000",
    SLUICE_OVERLOAD_ENABLED: "false",
    // A busy machine is no outage.
    SLUICE_CLUSTER_TIMEOUT_MS: "10000",
    ...env,
  });
  await listening(run, 2);
  const url = `http://127.0.0.1:${port}`;

  async function connect(options: ClientOptions = {}): Promise<WorkerClient> {
    const client = newClient(url, options);
    t.after(() => client.disconnect());
    await next(client.connect(), "connect", 30_000);
    return { client, pid: await client.emitWithAck("pid") };
  }

  /** Connects clients, with one codec and the other, until each of two workers has so many. */
  async function connectToBoth(count: number, options: ClientOptions = {}) {
    const byPid = new Map<number, WorkerClient[]>();
    const isFull = (pid: number) => (byPid.get(pid)?.length ?? 0) >= count;
    for (let n = 0; byPid.size < 2 || ![...byPid.keys()].every(isFull); n++) {
      const each = await connect({ codec: n % 2 ? "json" : "msgpack", ...options });
      if (isFull(each.pid)) each.client.disconnect();
      else byPid.set(each.pid, [...(byPid.get(each.pid) ?? []), each]);
    }
    const [here, there] = [...byPid.values()];
    return { here: here ?? [], there: there ?? [] };
  }
  return { run, url, connect, connectToBoth };
}
