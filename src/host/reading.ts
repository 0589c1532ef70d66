import type { HttpResponse, WebSocket } from "./native.ts";

/** Stops reading from WebSockets, so that TCP holds their clients back, and goes on. */
export interface Reading {
  /**
   * Stops, unless bytes are unsent. A send that leaves bytes unsent ends it: so call it again at
   * each message, and once it has drained. Between the two call neither.
   */
  pause<T>(ws: WebSocket<T>): void;
  resume<T>(ws: WebSocket<T>): void;
}

/**
 * Returns how to stop reading from the WebSockets of one app, from a response of the same app.
 *
 * uWebSockets.js lets a response stop reading from its TCP connection, and a WebSocket not.
 * Beneath, both are the same connection, and the two methods look at nothing else: so they work on
 * a WebSocket. They end and begin all waiting for that connection, also for when it can be written
 * to. Who waits for a drain must call neither; then the connection is read from anyway.
 * `test/socket/pause.test.ts` holds all that with both binaries, plain and over TLS.
 */
export function createReading({ pause, resume }: HttpResponse): Reading {
  return {
    pause(ws) {
      if (ws.getBufferedAmount() === 0) pause.call(ws as never);
    },
    resume(ws) {
      if (ws.getBufferedAmount() > 0) return;
      resume.call(ws as never);
      // The older binary now waits for the next bytes as long as for a request, and closes then.
      // What answers this ends that.
      ws.ping();
    },
  };
}
