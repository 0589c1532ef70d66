import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { eachStep } from "../core/loop.ts";
import type { Listening } from "./listen.ts";

/**
 * Time between two checks, up to twice as much while the process does next to nothing. It is also
 * the longest time a core can spin when a burst of connections takes all file descriptors at once.
 */
const CHECK_MS = 250;

/**
 * Pauses listening while the process has few file descriptors left. Returns a function that ends
 * the checks.
 *
 * It pauses when fewer than `spare` file descriptors are free, and resumes when twice as many are.
 * `told` is called at each pause and each resume.
 *
 * The kernel keeps reporting a connection that cannot be accepted, so the event loop would spin and
 * take a whole core. No call tells the number of free descriptors on every platform. The check
 * therefore opens that many and closes them again.
 */
export function watchDescriptors({
  listening,
  spare,
  told,
}: {
  readonly listening: Pick<Listening, "pause" | "resume">;
  readonly spare: number;
  readonly told: (paused: boolean) => void;
}): () => void {
  // While it is paused, no listen socket and perhaps no connection keeps the process alive.
  let waiting: NodeJS.Timeout | undefined;
  function check(): void {
    if (!waiting && !hasFree(spare)) {
      waiting = setInterval(check, CHECK_MS);
      listening.pause();
      told(true);
    } else if (waiting && hasFree(2 * spare) && listening.resume()) {
      clearInterval(waiting);
      waiting = undefined;
      told(false);
    }
  }
  const end = eachStep(check, CHECK_MS);
  return () => {
    end();
    clearInterval(waiting);
  };
}

function hasFree(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, "r"));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // openSync throws nothing else
    return code !== "EMFILE" && code !== "ENFILE";
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
