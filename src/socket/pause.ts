import type { EngineServerBase, EngineSocketBase } from "../seam/engine-io.ts";
import type { SocketSamples } from "./samples.ts";
import { isWebSocket } from "./websocket.ts";

/** A connection that is not read from. */
export interface Pause {
  /** Has it last until the returned function is called; it ends with the last of these. */
  join(): () => void;
  /** Calls back when it ends, or is to be released, or after one heartbeat at the latest. */
  after(call: () => void): void;
  /** Lets go what waits for its end. */
  release(): void;
  /** Ends it at once. */
  end(): void;
}

/** A connection, as pauses see it. */
interface Paused
  extends Pick<EngineSocketBase, "server" | "transport" | "protocol" | "sendPacket"> {
  pause: Pause | undefined;
  stopAwaitingPong(): void;
  awaitLatePong(): void;
}

type Samples = Pick<SocketSamples, "paused" | "pauses">;

/**
 * Stops reading from a connection. Of a WebSocket, TCP holds the client back; a long-polling client
 * gets the response to its POST later, and sends no other before. What has been read already is
 * still handed on.
 *
 * Its pongs are not read either: they are not waited for. It is pinged all the same, as its client
 * would otherwise leave.
 */
export function beginPause(connection: Paused, samples: Samples): Pause {
  // The cast holds: `server` is the engine that its constructor got.
  const { pingInterval } = (connection.server as EngineServerBase).opts;
  const calls = new Set<() => void>();
  let holders = 0;
  samples.paused++;
  samples.pauses++;
  connection.stopAwaitingPong();
  if (isWebSocket(connection.transport)) connection.transport.pause();
  // Protocol 3 clients ping themselves, and wait for pongs.
  const beat = connection.protocol === 3 ? "pong" : "ping";
  const timer = setInterval(() => {
    connection.sendPacket(beat);
    release();
  }, pingInterval);

  function release(): void {
    for (const call of calls) call();
    calls.clear();
  }

  function end(): void {
    if (connection.pause !== pause) return;
    connection.pause = undefined;
    samples.paused--;
    clearInterval(timer);
    if (isWebSocket(connection.transport)) connection.transport.resume();
    connection.awaitLatePong();
    release();
  }

  const pause: Pause = {
    join() {
      let holds = true;
      holders++;
      return () => {
        if (holds && --holders === 0) end();
        holds = false;
      };
    },
    after: (call) => void calls.add(call),
    release,
    end,
  };
  return pause;
}
