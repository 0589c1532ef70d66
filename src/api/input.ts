import type { Exchange } from "../core/http.ts";

/** What has arrived of a streamed body since the last call of `next`. */
export type Arrived =
  | { readonly bytes: Buffer; readonly last: boolean }
  /** Nothing more will arrive: the client has gone, or `end` was called. */
  | "gone"
  | "ended";

/** A body that is read as it arrives. */
export interface Input {
  /** Resolves with everything that has arrived; if nothing has, with the next chunk. */
  next(): Promise<Arrived>;
  /** Makes `next` resolve with "ended" from now on. */
  end(): void;
}

/** Unread bytes above which the connection is paused. */
const WAITING_BYTES_MAX = 65_536;

/**
 * Begins to read a body as it arrives. Call it before the handler returns, or the first chunk is
 * lost.
 */
export function createInput(exchange: Exchange): Input {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let last = false;
  let over: "gone" | "ended" | undefined;
  let wake: (() => void) | undefined;

  function arrive(): void {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  }
  exchange.onAborted(() => {
    over = "gone";
    arrive();
  });
  exchange.onChunk((chunk, isLast) => {
    // Copy: the chunk's bytes are valid during this call only.
    if (chunk.length > 0) chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    last = isLast;
    if (bytes > WAITING_BYTES_MAX) exchange.pause();
    arrive();
  });

  return {
    async next() {
      if (chunks.length === 0 && !last && !over) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (over) return over;
      const [only] = chunks;
      const arrived = {
        bytes: chunks.length === 1 && only ? only : Buffer.concat(chunks, bytes),
        last,
      };
      chunks = [];
      bytes = 0;
      exchange.resume();
      return arrived;
    },
    end() {
      over ??= "ended";
      arrive();
    },
  };
}
