import type { CallHandshake, CallSocket } from "../core/call.ts";
import { spellBytes } from "../core/value.ts";

/** Returns a connect call's body; `undefined` for what has no JSON form. */
export function connectBody(socket: CallSocket, handshake: CallHandshake): string | undefined {
  return write({ socket: { ...socket, handshake } });
}

/** Returns an event call's body; `undefined` for what has no JSON form. */
export function eventBody(
  socket: CallSocket,
  event: string,
  args: readonly unknown[],
  ack: boolean,
): string | undefined {
  return write({ socket, event, args, ack });
}

/** Returns a disconnect call's body; `undefined` for what has no JSON form. */
export function disconnectBody(socket: CallSocket, reason: string): string | undefined {
  return write({ socket, reason });
}

function write(body: unknown): string | undefined {
  try {
    return JSON.stringify(spellBytes(body));
  } catch {
    // A bigint, or `socket.data` that holds itself.
    return undefined;
  }
}
