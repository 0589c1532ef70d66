import type { CodecName, Frame } from "../core/packet.ts";

/**
 * A connection as fan-out sees it; `socket/`'s connection is one, and it is `socket.conn` of every
 * Socket.IO socket it carries.
 */
export interface Peer {
  /** The codec of its first packet; JSON until then (Engine.IO 3 clients never say). */
  readonly codec: CodecName;
  /**
   * Whether topics may serve it now: an open WebSocket that speaks Engine.IO 4 and has nothing
   * unsent in user space. Everyone else is served packet by packet through `write`, whose queue
   * keeps order, counts bytes and knows the limits.
   */
  readonly native: boolean;
  /** Whether what is written to it is sent or held; false while it waits to be closed. */
  readonly accepts: boolean;
  /** What was sent before, by `performance.now()`, has reached its client. */
  readonly reachedAt: number;
  /** Subscribes its WebSocket. Only while `native`. */
  subscribe(topic: string): void;
  /** Unsubscribes its WebSocket; does nothing once that is closed. */
  unsubscribe(topic: string): void;
  /** Publishes to all other subscribers of a topic it is subscribed to. Only while `native`. */
  publish(topic: string, frame: Frame): void;
  /**
   * Looks at its unsent bytes (20–100 ns): over the limit it is closed later from a clean stack,
   * under pressure it stops being `native` at once, which calls `moved`.
   */
  look(): void;
}

/** What fan-out needs of the uWebSockets.js app. */
export interface Topics {
  publish(topic: string, frame: Frame): void;
}
