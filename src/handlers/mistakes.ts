import { HANDLER_KINDS, type HandlerFailed, type HandlerKind } from "../core/handler.ts";
import { createThrottle, type Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { throwLater } from "../core/uncaught.ts";
import { zeros } from "../core/zeros.ts";

/** Handles errors thrown by the application's own code. */
export interface Mistakes {
  readonly failed: HandlerFailed;
  /** Number of errors by what was called. */
  readonly samples: Readonly<Record<HandlerKind, number>>;
}

/**
 * Longer texts are cut in the log: clients choose names, and errors may quote what clients sent.
 */
const NAME_CHARS_MAX = 200;
const STACK_CHARS_MAX = 8000;
/** Causes of an error that are logged. The chain may be endless. */
const CAUSES_MAX = 3;

/**
 * Counts each error that the application's code throws, and logs at most one per kind and second.
 * With `onError: "log"` that is all. With `exit` the error is thrown again as an uncaught
 * exception.
 */
export function createMistakes(
  { onError }: Pick<Settings["handlers"], "onError">,
  { log, now }: { readonly log: Log; now(): number },
): Mistakes {
  const samples = zeros(HANDLER_KINDS);
  const write = createThrottle(log, now);
  return {
    samples,
    failed(error, { kind, event, namespace, socket }) {
      samples[kind]++;
      const name = event === undefined ? undefined : String(event).slice(0, NAME_CHARS_MAX);
      const place = { component: "handlers", kind, event: name, namespace, socket };
      write("error", kind, { ...place, stack: stackOf(error) }, "a handler failed");
      if (onError === "log") return;
      throwLater(error);
    },
  };
}

/** Returns the stacks of an error and of its causes. Never throws. */
function stackOf(thrown: unknown): string {
  const texts: string[] = [];
  try {
    let one = thrown;
    for (let i = 0; i <= CAUSES_MAX && (i === 0 || one !== undefined); i++) {
      const { stack, cause } = Object(one) as {
        readonly stack?: unknown;
        readonly cause?: unknown;
      };
      texts.push(typeof stack === "string" && stack !== "" ? stack : `${String(one)} (no stack)`);
      one = cause;
    }
  } catch {
    texts.push("what was thrown cannot be shown");
  }
  return texts.join("\ncaused by ").slice(0, STACK_CHARS_MAX);
}
