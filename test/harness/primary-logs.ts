import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createPrimaryLogs, type PrimaryDelays } from "../../src/cluster/log/primary.ts";
import { joinPrimaryLogs, type WorkerBus } from "../../src/cluster/worker-bus.ts";
import type { PipeSockets } from "../../src/cluster/worker-pipe.ts";
import type { Log } from "../../src/core/log.ts";

/** What a test may set. */
interface Options {
  readonly packetsMax?: number;
  /** Called with the worker's end of each pipe. */
  connected?(node: string, sockets: PipeSockets): void;
  /** Called with the primary's end of each pipe. */
  joined?(node: string, sockets: PipeSockets): void;
  /** Keeps the commands that wait. */
  readonly delays?: PrimaryDelays;
}

const NO_DELAYS: PrimaryDelays = { joined() {}, received() {}, left() {} };

/**
 * Starts a primary's logs in this process. Returns what makes the bus of another worker, over
 * sockets as between processes.
 */
export async function startPrimaryLogs(
  t: TestContext,
  { packetsMax = 200, connected, joined, delays = NO_DELAYS }: Options = {},
): Promise<(node: string) => WorkerBus> {
  const limits = { packetsMax, bytesMax: 1e8, windowMs: 0 };
  const logs = createPrimaryLogs(limits, { sessions: { received() {}, left() {} }, delays });
  const names: string[] = [];
  let reads: Socket | undefined;
  const server = createServer((socket) => {
    reads ??= socket;
    if (reads === socket) return;
    const [node, sockets] = [names.shift() ?? "", { reads, writes: socket }];
    reads = undefined;
    logs.join(node, sockets);
    joined?.(node, sockets);
  });
  const path = join(tmpdir(), `sluice-${randomUUID()}`);
  server.listen(path);
  await once(server, "listening");
  t.after(() => {
    logs.stop();
    server.close();
  });
  const settings = {
    timeoutMs: 2_000,
    pendingMax: 10_000,
    messageBytesMax: 1e7,
    heldBytesMax: 1e8,
  };
  return (node) => {
    names.push(node);
    const log: Log = (_level, { why }, text) => {
      throw new Error(`${text}: ${why}`);
    };
    const [writes, reads] = [connect(path), connect(path)];
    connected?.(node, { reads, writes });
    return joinPrimaryLogs({ reads, writes }, { node, settings, log });
  };
}
