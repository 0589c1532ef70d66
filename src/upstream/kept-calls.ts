import type { StateAnswer } from "../core/call.ts";
import { type KnownSocket, keepState, type SocketState } from "../core/socket-state.ts";
import { type Call, FRESH, type KeptCall, keptSocketOf, type Lane } from "./call.ts";
import type { Routes } from "./routes.ts";

/** Names a socket that is not known to be here. */
export interface AbsentSocket {
  readonly id: string;
  readonly namespace: string;
}

/** What is given to a call that was kept. */
export type Reopened = Partial<Pick<Call, "once" | "ended" | "place">>;

/** Sockets of nodes that are gone, as these have written them down. */
export interface LostSockets {
  /** Resolves with sockets of a node by `<namespace>,<id>`; undefined for one that is not known. */
  recall(node: string, keys: readonly string[]): Promise<readonly (KnownSocket | undefined)[]>;
  /** An answer has changed a socket of a node. */
  revise(node: string, socket: AbsentSocket & KnownSocket): void;
}

/** Calls that were kept, to be delivered. */
export interface KeptCalls {
  /**
   * Returns a call for a lane; `undefined` if it has no route here. `known` is what its node has
   * written down of its socket, if it is gone.
   */
  open(lane: Lane, kept: KeptCall, given: Reopened, known?: KnownSocket): Call | undefined;
}

/** What kept calls need. */
export interface KeptCallsNeeds {
  readonly routes: Routes;
  readonly dataBytesMax: number;
  /** Changes a socket that may live at another node. */
  elsewhere(socket: AbsentSocket, answer: StateAnswer, order: number): void;
  /** A socket whose own lane is here: it has come back, or its disconnect call is to be made. */
  find(key: string): SocketState | undefined;
  readonly lost: Pick<LostSockets, "revise"> | undefined;
}

/** Returns what makes calls of those that were kept. */
export function createKeptCalls(needs: KeptCallsNeeds): KeptCalls {
  const { routes, dataBytesMax, elsewhere, find, lost } = needs;

  /** Returns the state of a socket that is not here. */
  function createState(known: KnownSocket, socket: AbsentSocket, node?: string): SocketState {
    const kept = keepState(known, dataBytesMax);
    const state: SocketState = {
      ...kept,
      update(answer, order) {
        const updated = kept.update(answer, order);
        if (updated.outcome !== "done") return updated;
        const own = find(`${socket.namespace},${socket.id}`);
        const there = own === state ? undefined : own?.update(answer, order);
        // Elsewhere the rooms would be changed whatever came since.
        if (there?.outcome === "old") return there;
        elsewhere(socket, answer, order);
        // If this node dies too, another makes its disconnect call.
        if (node) lost?.revise(node, { ...known, ...socket, ...kept.describe() });
        return updated;
      },
    };
    return state;
  }

  /**
   * Returns the socket of a kept call as the lane has it, unless there is a later answer. Later
   * calls of the lane then show what the answers to earlier ones have changed.
   */
  function learn(lane: Lane, kept: KeptCall, known?: KnownSocket, node?: string): SocketState {
    const { socket } = lane;
    if (socket && lane.users > 0) return socket;
    const shown = keptSocketOf(kept);
    const latest = known && versionIn(known) >= versionIn(shown) ? { ...shown, ...known } : shown;
    if (socket && versionIn(socket.describe()) >= versionIn(latest)) return socket;
    const { namespace, socketId: id } = kept;
    lane.socket = createState(latest, { namespace, id }, known && node);
    return lane.socket;
  }

  return {
    open(lane, kept, given, known) {
      const { rooms: _, socket: __, route: name, ...head } = kept;
      const route = routes.named(name);
      const path = route?.path(kept.namespace, kept.kind === "event" ? kept.subject : kept.kind);
      if (!route || path === undefined) return undefined;
      const bytes = Buffer.byteLength(kept.members);
      const state = learn(lane, kept, known, given.place?.journal);
      return { ...head, ...FRESH, ...given, route, path, bytes, state };
    },
  };
}

function versionIn({ version = 0 }: Pick<KnownSocket, "version">): number {
  return version;
}
