import { FailureError } from "../core/failures.ts";
import type { Exchange } from "../core/http.ts";

/** One open stream of Server-Sent Events. */
export interface EventStream {
  /**
   * Sends an event. Returns false if nothing was sent: the client reads too slowly, or its token
   * has expired, which ends the stream.
   */
  send(event: string, data: unknown): boolean;
  /** Calls back when the stream is over, whoever ended it. */
  onEnd(listener: () => void): void;
}

/** Who has asked for a stream. */
export interface Caller {
  /** Whether its token has expired. */
  isOver(): boolean;
}

/** All open streams. */
export interface EventStreams {
  /** Answers a request with a stream. Throws CONSOLE_TOO_MANY_STREAMS. */
  open(exchange: Exchange, caller: Caller): EventStream | undefined;
  readonly size: number;
  /** Ends all streams. */
  stop(): void;
}

/** Returns no streams yet; at most `max` are open at once. */
export function createEventStreams(max: number): EventStreams {
  const open = new Set<() => void>();
  return {
    open(exchange, caller) {
      if (open.size >= max) throw new FailureError("CONSOLE_TOO_MANY_STREAMS");
      const headers = {
        "content-type": "text/event-stream",
        // Proxies would hold events back until a buffer is full.
        "x-accel-buffering": "no",
        // Said now: at its end uWebSockets.js would write it into the body.
        connection: "close",
      };
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
        body.end();
      };
      open.add(end);
      exchange.onAborted(over);
      body.onWritable(() => {
        isWritable = true;
      });
      return {
        send(event, data) {
          if (caller.isOver()) end();
          if (!isWritable || !open.has(end)) return false;
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
