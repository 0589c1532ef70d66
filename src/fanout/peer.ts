import type { CodecName, Frame } from "../core/packet.ts";

/** The part of a connection that fan-out uses: `socket.conn` of each Socket.IO socket. */
export interface Peer {
  /** The codec of its first packet; JSON until then, and always for Engine.IO 3 clients. */
  readonly codec: CodecName;
  /**
   * Whether topics may serve it now: it is an open WebSocket with Engine.IO 4 and no unsent bytes
   * in user space. All other connections are served packet by packet through Engine.IO's queue,
   * which keeps order, counts bytes and enforces the limits.
   */
  readonly native: boolean;
  /** Whether writes are sent or queued; false while it waits to be closed. */
  readonly accepts: boolean;
  /** Everything sent before this `performance.now()` time has reached the client. */
  readonly reachedAt: number;
  /** Subscribes its WebSocket. Only while `native`. */
  subscribe(topic: string): void;
  /** Unsubscribes its WebSocket. Does nothing once the WebSocket is closed. */
  unsubscribe(topic: string): void;
  /** Publishes to all other subscribers of a topic it is subscribed to. Only while `native`. */
  publish(topic: string, frame: Frame): void;
  /**
   * Checks its unsent bytes (20–100 ns). Under pressure it stops being `native` at once, which
   * calls `Fanout.moved`. Over the limit it is closed too, in a later turn of the event loop.
   */
  look(): void;
}

/** What fan-out needs of the uWebSockets.js app. */
export interface Topics {
  publish(topic: string, frame: Frame): void;
}
