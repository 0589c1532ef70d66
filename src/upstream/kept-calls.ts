import type { StateAnswer } from "../core/call.ts";
import { keepState, type SocketState } from "../core/socket-state.ts";
import { type Call, FRESH, type KeptCall, keptSocketOf, type Lane } from "./call.ts";
import type { Routes } from "./routes.ts";

/** Names a socket that is not known to be here. */
export interface AbsentSocket {
  readonly id: string;
  readonly namespace: string;
}

/** What is given to a call that was kept. */
export type Reopened = Partial<Pick<Call, "once" | "ended" | "place">>;

/** Calls that were kept, to be delivered. */
export interface KeptCalls {
  /** Returns a call for a lane; `undefined` if it has no route here. */
  open(lane: Lane, kept: KeptCall, given: Reopened): Call | undefined;
}

/** What kept calls need. */
export interface KeptCallsNeeds {
  readonly routes: Routes;
  readonly dataBytesMax: number;
  /** Changes a socket that may live at another node. */
  elsewhere(socket: AbsentSocket, answer: StateAnswer, order: number): void;
}

/** Returns what makes calls of those that were kept. */
export function createKeptCalls({ routes, dataBytesMax, elsewhere }: KeptCallsNeeds): KeptCalls {
  /**
   * Returns the socket of a kept call as the lane has it, unless the call knows of a later answer.
   * Later calls of the lane then show what the answers to earlier ones have changed.
   */
  function learn(lane: Lane, kept: KeptCall): SocketState {
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
  }

  return {
    open(lane, kept, given) {
      const { rooms: _, socket: __, route: name, ...head } = kept;
      const route = routes.named(name);
      const path = route?.path(kept.namespace, kept.kind === "event" ? kept.subject : kept.kind);
      if (!route || path === undefined) return undefined;
      const bytes = Buffer.byteLength(kept.members);
      return { ...head, ...FRESH, ...given, route, path, bytes, state: learn(lane, kept) };
    },
  };
}
