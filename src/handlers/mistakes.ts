import { HANDLER_KINDS, type HandlerFailed, type HandlerKind } from "../core/handler.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { createThrottle } from "../core/throttle.ts";

/** What becomes of mistakes of the application's own code. */
export interface Mistakes {
  readonly failed: HandlerFailed;
  /** How many there were, by what was called. */
  readonly samples: Readonly<Record<HandlerKind, number>>;
}

/** A client chooses names, and may be quoted in an error: longer texts are cut in the log. */
const NAME_CHARS_MAX = 200;
const STACK_CHARS_MAX = 8000;
/** An error may be the cause of another one; more than this is told of none. */
const CAUSES_MAX = 3;

/**
 * Counts and logs what the application's code throws, one line per kind and second. Nothing else
 * comes of it with `log`. With `exit` the error is thrown again, where nobody can catch it.
 */
export function createMistakes(
  { onError }: Pick<Settings["handlers"], "onError">,
  { log, now }: { readonly log: Log; now(): number },
): Mistakes {
  const samples = Object.fromEntries(HANDLER_KINDS.map((kind) => [kind, 0]));
  const counts = samples as Record<HandlerKind, number>; // one entry for each kind
  const write = createThrottle(log, now);
  return {
    samples: counts,
    failed(error, { kind, event, namespace, socket }) {
      counts[kind]++;
      const name = event === undefined ? undefined : String(event).slice(0, NAME_CHARS_MAX);
      const place = { room: "handlers", kind, event: name, namespace, socket };
      write("error", kind, { ...place, stack: stackOf(error) }, "a handler failed");
      if (onError === "log") return;
      setImmediate(() => {
        throw error;
      });
    },
  };
}

/** Returns where an error was thrown, and those that caused it; never throws itself. */
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
