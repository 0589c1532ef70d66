import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Load } from "./overload.ts";

/** Reads the load of this process; `stop` gives its clock back. */
export interface LoadSampler {
  sample(): Load;
  stop(): void;
}

/** How often the event loop is looked at: 50 times a second costs nothing that can be measured. */
const RESOLUTION_MS = 20;

/**
 * Returns the sampler of this process's load.
 *
 * Lag is the *mean* delay of the event loop: one long garbage collection does not raise it much, a
 * loop that is late all the time does. Memory is the larger share of two: resident bytes of what
 * the container (or the machine) has, and of Node.js' heap, which ends the process when it is full.
 */
export function createLoadSampler(memoryBytesMax: number): LoadSampler {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  const limit = memoryBytesMax > 0 ? memoryBytesMax : readMemoryLimit();
  return {
    sample() {
      const meanMs = delays.count > 0 ? delays.mean / 1e6 - RESOLUTION_MS : 0;
      delays.reset();
      const heap = getHeapStatistics();
      const shares = [
        process.memoryUsage.rss() / limit,
        heap.used_heap_size / heap.heap_size_limit,
      ];
      return { lagMs: Math.max(0, meanMs), memoryPercent: Math.max(...shares) * 100 };
    },
    stop() {
      delays.disable();
    },
  };
}

function readMemoryLimit(): number {
  const machine = totalmem();
  // Without a limit of its own a control group reports an absurd one.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < machine ? limit : machine;
}
