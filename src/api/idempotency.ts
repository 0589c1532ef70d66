import { createHash } from "node:crypto";
import type { FailureCode } from "../core/failures.ts";
import type { HttpAnswer } from "../core/http.ts";
import { problemOf } from "../core/problem.ts";

/** What makes a request the same request. */
export interface Identity {
  /** Whose key it is: two callers' keys never meet. */
  readonly caller: string;
  readonly key: string;
  readonly path: string;
  /** How the body is to be read: the same bytes in another way are another request. */
  readonly media: string;
  readonly body: Buffer;
}

/** Carries a request out once per Idempotency-Key. */
export interface Idempotency {
  /**
   * Runs `carryOut`, or repeats the answer the same request got before, waiting for it if it is
   * still being carried out. Answers of status 500 and above are not kept: they ask to be retried.
   */
  once(identity: Identity, carryOut: () => Promise<HttpAnswer>): Promise<Outcome>;
  /** Keys remembered now, and the bytes they take. */
  readonly kept: { readonly keys: number; readonly bytes: number };
}

/** An answer, or why there is none. */
export type Outcome =
  | { readonly answer: HttpAnswer; readonly repeated: boolean }
  | { readonly refused: Extract<FailureCode, "API_KEY_REUSED" | "API_IDEMPOTENCY_FULL"> };

interface Entry {
  readonly print: string;
  readonly until: number;
  running: Promise<HttpAnswer>;
  isOver: boolean;
  bytes: number;
}

/** What an entry costs beyond its texts: a Map slot, three objects, a promise, a short answer. */
const ENTRY_BYTES = 512;

const costOf = (name: string) => ENTRY_BYTES + name.length * 2;

/**
 * Returns an empty memory of answers, kept for `idempotencyMs` from the first request, and at least
 * as long as that takes.
 *
 * What is kept is never given up early to make room, because a retry would then be carried out
 * twice: beyond `idempotencyBytesMax` new keys are refused instead, and of an answer that has no
 * room only is kept that there was one. On one node only; a retry that reaches another node is new
 * there.
 */
export function createIdempotency(
  settings: { readonly idempotencyMs: number; readonly idempotencyBytesMax: number },
  needs: { now(): number },
): Idempotency {
  // In the order of their ends, since all are kept equally long.
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function forget(name: string, entry: Entry): void {
    if (entries.get(name) !== entry) return;
    entries.delete(name);
    bytes -= entry.bytes;
  }
  function sweep(): void {
    const now = needs.now();
    for (const [name, entry] of entries) {
      if (entry.until > now) return;
      // What takes longer than it is kept would be carried out twice at once.
      if (entry.isOver) forget(name, entry);
    }
  }

  async function begin(name: string, print: string, carryOut: () => Promise<HttpAnswer>) {
    const running = carryOut();
    const cost = costOf(name);
    const entry: Entry = {
      print,
      until: needs.now() + settings.idempotencyMs,
      running,
      isOver: false,
      bytes: cost,
    };
    entries.set(name, entry);
    bytes += cost;
    try {
      const answer = await running;
      entry.isOver = true;
      if (answer.status >= 500) forget(name, entry);
      else if (entries.get(name) === entry) {
        const more = Buffer.byteLength(answer.body ?? "");
        if (bytes + more > settings.idempotencyBytesMax) {
          entry.running = Promise.resolve(problemOf("API_ANSWER_NOT_KEPT"));
        } else {
          entry.bytes += more;
          bytes += more;
        }
      }
      return answer;
    } catch (error) {
      forget(name, entry);
      throw error;
    }
  }

  return {
    async once(identity, carryOut) {
      sweep();
      const name = JSON.stringify([identity.caller, identity.key]);
      const print = createHash("sha256")
        .update(`${identity.path}\n${identity.media}\n`)
        .update(identity.body)
        .digest("base64");
      const known = entries.get(name);
      if (known && known.print !== print) return { refused: "API_KEY_REUSED" };
      if (known) return { answer: await known.running, repeated: true };
      if (bytes + costOf(name) > settings.idempotencyBytesMax) {
        return { refused: "API_IDEMPOTENCY_FULL" };
      }
      return { answer: await begin(name, print, carryOut), repeated: false };
    },
    get kept() {
      return { keys: entries.size, bytes };
    },
  };
}
