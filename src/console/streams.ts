import { FailureError } from "../core/failures.ts";
import type { Exchange } from "../core/http.ts";

/** One open stream of Server-Sent Events. */
export interface EventStream {
  /** Sends an event. Returns false if the client reads too slowly; then nothing was sent. */
  send(event: string, data: unknown): boolean;
  /** Calls back when the stream is over, whoever ended it. */
  onEnd(listener: () => void): void;
}

/** All open streams. */
export interface EventStreams {
  /** Answers a request with a stream. Throws CONSOLE_TOO_MANY_STREAMS. */
  open(exchange: Exchange): EventStream | undefined;
  readonly size: number;
  /** Ends all streams. */
  stop(): void;
}

/** Returns no streams yet; at most `max` are open at once. */
export function createEventStreams(max: number): EventStreams {
  const open = new Set<() => void>();
  return {
    open(exchange) {
      if (open.size >= max) throw new FailureError("CONSOLE_TOO_MANY_STREAMS");
      // Proxies would hold events back until a buffer is full.
      const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
      const body = exchange.stream(200, headers);
      if (!body) return undefined;
      const listeners: (() => void)[] = [];
      let isWritable = true;
      const over = (): void => {
        if (!open.delete(end)) return;
        for (const listener of listeners.splice(0)) listener();
      };
      const end = (): void => {
        over();
        body.end(true);
      };
      open.add(end);
      exchange.onAborted(over);
      body.onWritable(() => {
        isWritable = true;
      });
      return {
        send(event, data) {
          if (!isWritable) return false;
          isWritable = body.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
          return true;
        },
        onEnd: (listener) => void listeners.push(listener),
      };
    },
    get size() {
      return open.size;
    },
    stop() {
      for (const end of [...open]) end();
    },
  };
}
