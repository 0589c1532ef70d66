import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Load } from "./overload.ts";

/** Measures the load of this process. */
export interface LoadSampler {
  /** Returns the load since the last call. */
  sample(): Load;
  /** Ends the timer that measures the event loop. */
  stop(): void;
}

/** Time between two measurements. 50 times a second has no measurable cost. */
const STEP_MS = 20;

/**
 * Returns the sampler of this process's load. It measures from the first turn of the event loop on,
 * because work done while the process starts does not delay any client.
 *
 * Lag is how late the event loop is at a random moment. Each delay since the last sample is
 * weighted by its length: one garbage collection of 100 ms in half a second is 20 ms of lag, and a
 * loop that is always 300 ms late has about 300 ms.
 *
 * Memory is the larger of two shares: resident bytes of the memory that the container (or the
 * machine) has, and used bytes of Node.js' heap limit, at which the process ends. If
 * `memoryBytesMax` is above 0 it replaces the memory of the container.
 */
export function createLoadSampler(memoryBytesMax: number): LoadSampler {
  const limit = memoryBytesMax > 0 ? memoryBytesMax : readMemoryLimit();
  let last: number | undefined;
  let elapsed = 0;
  let weighted = 0;
  function step(): void {
    if (last === undefined) return;
    const now = performance.now();
    const late = Math.max(0, now - last - STEP_MS);
    elapsed += now - last;
    weighted += late * late;
    last = now;
  }
  const begin = (): void => {
    last = performance.now();
    timer = setInterval(step, STEP_MS).unref();
  };
  let timer = setTimeout(begin, STEP_MS).unref();
  return {
    sample() {
      step(); // the current delay may be the longest one
      const lagMs = elapsed > 0 ? weighted / elapsed : 0;
      elapsed = 0;
      weighted = 0;
      const heap = getHeapStatistics();
      const shares = [readResident() / limit, heap.used_heap_size / heap.heap_size_limit];
      return { lagMs, memoryPercent: Math.max(...shares) * 100 };
    },
    stop: () => clearInterval(timer),
  };
}

/** Returns the resident bytes, or 0 if the system does not tell, as without /proc. */
function readResident(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

function readMemoryLimit(): number {
  const machine = totalmem();
  // A control group without a limit reports a number larger than the machine's memory.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < machine ? limit : machine;
}
