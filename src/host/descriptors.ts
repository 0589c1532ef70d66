import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import type { Listening } from "./listen.ts";

/** How often is looked; so long a core may spin at most when a flood takes all of them at once. */
const LOOK_MS = 250;

/** What is to pause when file descriptors run out. */
export interface Watched {
  readonly door: Pick<Listening, "pause" | "resume">;
  /**
   * File descriptors that must be free for it to take connections; twice as many to do so again.
   */
  readonly spare: number;
  /** Told of each pause and each end of one. */
  readonly told: (paused: boolean) => void;
}

/**
 * Pauses a door while the process has hardly any file descriptors left; returns the undoing.
 *
 * A connection that cannot be accepted stays with the kernel, which reports it again at once: a
 * loop that takes a whole core. Nobody says how many are left on every platform, so some are
 * opened.
 */
export function watchDescriptors({ door, spare, told }: Watched): () => void {
  let paused = false;
  const timer = setInterval(() => {
    if (!paused && !hasFree(spare)) {
      paused = true;
      timer.ref(); // with no door and no connection open the process would end
      door.pause();
      told(true);
    } else if (paused && hasFree(2 * spare) && door.resume()) {
      paused = false;
      timer.unref();
      told(false);
    }
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function hasFree(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, "r"));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // what `openSync` throws
    return code !== "EMFILE" && code !== "ENFILE";
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
