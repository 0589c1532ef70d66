import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Load } from "./overload.ts";

/** Reads the load of this process; `stop` gives its clock back. */
export interface LoadSampler {
  sample(): Load;
  stop(): void;
}

/** How often the event loop is looked at: 50 times a second costs nothing that can be measured. */
const STEP_MS = 20;

/**
 * Returns the sampler of this process's load. It counts from the first turn of the event loop on:
 * what the start of a process still has to do then keeps nobody waiting afterwards.
 *
 * Lag is how late the event loop is at a random moment: each delay since the last sample counts by
 * the time it took, so that one garbage collection of 100 ms in half a second is 20 ms and a loop
 * that is always 300 ms late is about 300 ms. Memory is the larger share of two: resident bytes of
 * what the container (or the machine) has, and of Node.js' heap, which ends the process when full.
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
      step(); // the delay that is going on may be the longest
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

/** Resident bytes; 0 where the system does not tell, as without /proc. */
function readResident(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

function readMemoryLimit(): number {
  const machine = totalmem();
  // Without a limit of its own a control group reports an absurd one.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < machine ? limit : machine;
}
