import { formatClients, type Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { isSoon } from "../core/within.ts";
import type { Attached } from "./serve-socket.ts";

/** How long buffers may take to flush after the last close was sent. */
const FLUSH_MS = 1200;

/** What a gateway knows of its own life; shown as metrics. */
export interface State {
  isDraining: boolean;
  /** Connections left to close in a drain. */
  remaining: number;
  /** Whether file descriptors ran out, so that no connections are accepted. */
  acceptsPaused: boolean;
  /** How often that has happened. */
  acceptPauses: number;
}

/** Returns what is called when the gateway stops accepting clients, and when it accepts again. */
export function createPauseListener(state: State, log: Log) {
  return (isPaused: boolean): void => {
    state.acceptsPaused = isPaused;
    if (isPaused) state.acceptPauses++;
    const text = isPaused ? "no file descriptors left: accepting paused" : "accepting again";
    log(isPaused ? "error" : "info", { component: "socket" }, text);
  };
}

/** What {@link stopAll} needs. */
interface StopNeeds {
  readonly log: Log;
  /** Whether other processes share the port. */
  readonly worker: object | undefined;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
  /** Returns what the line of a stop says after the number of clients. */
  stopNote(): string;
}

/**
 * Stops a gateway from the door inward: new handshakes are refused, connections close over
 * `drainMs`, buffers flush, then every step of `undo` is taken, the last first.
 */
export async function stopAll(
  { drainMs }: Pick<Settings["socket"], "drainMs">,
  { log, worker, undo, stopNote }: StopNeeds,
  on: {
    readonly attached: Attached;
    readonly state: State;
    settle(): Promise<void>;
    close(): void;
    /** Waits for the requests of the application's own HTTP handler. */
    readonly drainHttp: ((ms: number, clients: Promise<unknown>) => Promise<void>) | undefined;
  },
): Promise<void> {
  on.state.isDraining = true;
  const clients = countConnections(on.attached);
  const text = `stopping, ${formatClients(clients)}${stopNote()}`;
  log("info", { component: "gateway", clients, drainMs }, text);
  // The port is shared: other workers accept new connections.
  if (worker) on.close();
  const seen = (left: number) => {
    on.state.remaining = left;
  };
  const clientsDrained = on.attached.drain(drainMs, seen, on.settle());
  await Promise.all([clientsDrained, on.drainHttp?.(Math.max(drainMs, FLUSH_MS), clientsDrained)]);
  // Long-polling clients fetch the last packets over new TCP connections, so keep listening.
  await flushed(on.attached);
  on.attached.closeAll("shutdown");
  on.close();
  for (const step of undo.reverse()) await step();
  log("info", { component: "gateway" }, "stopped");
}

/** Resolves when all connections have closed, or after {@link FLUSH_MS}. */
async function flushed(attached: Attached): Promise<void> {
  await isSoon(() => countConnections(attached) === 0, FLUSH_MS);
}

function countConnections(attached: Attached): number {
  const counts = Object.values(attached.samples().socket.connections);
  return counts.reduce((sum, count) => sum + count, 0);
}
