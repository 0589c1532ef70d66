import { createHash } from "node:crypto";
import type { FailureCode } from "../core/failures.ts";
import { type HttpAnswer, problemOf } from "../core/http.ts";

/** What must be equal for two requests to be the same. */
export interface Identity {
  /** Id of the caller's grant: keys of different callers never meet. */
  readonly caller: string;
  readonly key: string;
  readonly path: string;
  /** Format of the body: the same bytes in another format are another request. */
  readonly media: string;
  readonly body: Buffer;
}

/** Carries a request out once per Idempotency-Key. */
export interface Idempotency {
  /**
   * Runs `carryOut`, or repeats the answer that the same request got before. If that request is
   * still being carried out, waits for its answer. Answers of status 500 and above are not kept,
   * because the client should retry those.
   */
  once(identity: Identity, carryOut: () => Promise<HttpAnswer>): Promise<Outcome>;
  /** How many keys are remembered now, and how many bytes they and their answers take. */
  readonly kept: { readonly keys: number; readonly bytes: number };
}

/** An answer, or why there is none. */
export type Outcome =
  | { readonly answer: HttpAnswer; readonly repeated: boolean }
  | { readonly refused: Extract<FailureCode, "API_KEY_REUSED" | "API_IDEMPOTENCY_FULL"> };

interface Entry {
  readonly fingerprint: string;
  readonly until: number;
  running: Promise<HttpAnswer>;
  isOver: boolean;
  bytes: number;
}

/** Bytes of an entry beyond its texts: a Map slot, three objects, a promise, a short answer. */
const ENTRY_BYTES = 512;

const costOf = (name: string) => ENTRY_BYTES + name.length * 2;

/**
 * Returns an empty memory of answers. An answer is kept for `idempotencyMs` from the start of its
 * request, and at least until that request is over.
 *
 * No answer is dropped early to make room, because its retry would then be carried out twice. Above
 * `idempotencyBytesMax` new keys are refused instead. If only the answer does not fit, its key is
 * kept, and retries get API_ANSWER_NOT_KEPT. Each node has its own memory: a retry that reaches
 * another node is a new request there.
 */
export function createIdempotency(
  settings: { readonly idempotencyMs: number; readonly idempotencyBytesMax: number },
  needs: { now(): number },
): Idempotency {
  // In the order in which they expire, because all are kept equally long.
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
      // A request that runs longer than that must stay: a retry would be carried out beside it.
      if (entry.isOver) forget(name, entry);
    }
  }

  async function begin(name: string, fingerprint: string, carryOut: () => Promise<HttpAnswer>) {
    const running = carryOut();
    const cost = costOf(name);
    const entry: Entry = {
      fingerprint,
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
      const fingerprint = createHash("sha256")
        .update(`${identity.path}\n${identity.media}\n`)
        .update(identity.body)
        .digest("base64");
      const known = entries.get(name);
      if (known && known.fingerprint !== fingerprint) return { refused: "API_KEY_REUSED" };
      if (known) return { answer: await known.running, repeated: true };
      if (bytes + costOf(name) > settings.idempotencyBytesMax) {
        return { refused: "API_IDEMPOTENCY_FULL" };
      }
      return { answer: await begin(name, fingerprint, carryOut), repeated: false };
    },
    get kept() {
      return { keys: entries.size, bytes };
    },
  };
}
