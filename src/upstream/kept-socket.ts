import type { StateAnswer } from "../core/call.ts";
import { keepState, type SocketState } from "../core/socket-state.ts";
import { type KeptCall, keptSocketOf, type Lane } from "./call.ts";

/** Names a socket that is not known to be here. */
export interface AbsentSocket {
  readonly id: string;
  readonly namespace: string;
}

/** Returns the socket of a kept call as it is known here. */
export type Learn = (lane: Lane, kept: KeptCall) => SocketState;

/**
 * Returns what learns of a lane's socket from a kept call, unless the lane has it, or knows of a
 * later answer. Later calls of the lane then show what the answers to earlier ones have changed.
 * `elsewhere` changes the socket itself, which may live at another node.
 */
export function createLearn(
  dataBytesMax: number,
  elsewhere: (socket: AbsentSocket, answer: StateAnswer, order: number) => void,
): Learn {
  return (lane, kept) => {
    const known = keptSocketOf(kept);
    const { socket } = lane;
    if (socket && (lane.users > 0 || (socket.describe().version ?? 0) >= (known.version ?? 0))) {
      return socket;
    }
    const state = keepState(known, dataBytesMax);
    const { namespace, socketId: id } = kept;
    lane.socket = {
      ...state,
      update(answer, order) {
        const updated = state.update(answer, order);
        if (updated.outcome === "done") elsewhere({ id, namespace }, answer, order);
        return updated;
      },
    };
    return lane.socket;
  };
}
