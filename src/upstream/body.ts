import type { CallHandshake, CallSocket } from "../core/call.ts";
import { replaceUnsendable, writeTaggedJson } from "../core/value.ts";

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

interface Body {
  readonly socket: CallSocket & { readonly handshake?: CallHandshake };
  readonly [member: string]: unknown;
}

function write(body: Body): string | undefined {
  try {
    return writeTaggedJson(body);
  } catch {
    // A bigint, or what holds itself; the application's own `socket.data` is no reason to keep
    // quiet.
  }
  try {
    const { handshake, ...socket } = body.socket;
    const fit = replaceUnsendable(socket, writeTaggedJson);
    const shaken = handshake && { handshake: replaceUnsendable(handshake, writeTaggedJson) };
    return writeTaggedJson({ ...body, socket: { ...fit, ...shaken } });
  } catch {
    return undefined;
  }
}
