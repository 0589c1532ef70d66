import type { Namespace, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Move } from "../core/membership.ts";
import type { Packet } from "../core/packet.ts";
import type { Peer } from "./audience.ts";
import {
  closeStore,
  keepMove,
  keepPacket,
  keepSession,
  type LostSession,
  type Memory,
  type Narrow,
  nextOf,
  openStore,
  takeSession,
} from "./recovery-memory.ts";

/** The packet type of an event. */
export const EVENT = 2;

/** Leaves all rooms of a session to its client. */
export const allRooms: Narrow = ({ rooms }) => rooms;

type BroadcastOptions = Parameters<Adapter["broadcast"]>[1];

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Returns the in-memory adapter, to be used in place of socket.io-adapter's SessionAwareAdapter:
 * that one's memory has no limit but time, and its timer cannot be stopped.
 */
export function createMemoryAdapter(
  memory: Memory,
  watch: (adapter: Adapter) => void,
): typeof Adapter {
  return class MemoryAdapter extends Adapter {
    readonly #store = openStore(memory);
    readonly #connectedAt = new WeakMap<Socket, number>();
    /** While there are any, `door/dynamic.ts` does not remove the namespace. */
    readonly sessions = this.#store.sessions;

    constructor(namespace: Namespace) {
      super(namespace);
      watch(this);
      namespace.prependListener("connect", (socket: Socket) => {
        this.#connectedAt.set(socket, performance.now());
      });
    }

    override broadcast(packet: Packet, to: BroadcastOptions): void {
      if (packet.type !== EVENT || packet.id !== undefined) {
        super.broadcast(packet, to);
        return;
      }
      // A copy, because dynamic namespaces of one parent share packets, but not offsets.
      const data = [...(packet.data as unknown[])]; // as in every event
      // Volatile packets are not kept. They get an offset too, because a client takes the last
      // string of any event for the offset.
      if (to.flags?.volatile === undefined) keepPacket(this.#store, data, to);
      else data.push(this.#store.offset);
      super.broadcast({ ...packet, data }, to);
    }

    here(): number {
      return nextOf(this.#store);
    }

    keepMove(move: Move, anyReconnects: boolean): void {
      if (anyReconnects || this.sessions.size > 0) keepMove(this.#store, move);
    }

    override persistSession(session: Parameters<Adapter["persistSession"]>[0]): void {
      const reachedAt = this.#reachedAt(this.nsp.sockets.get(session.sid));
      // `watch` has added the room history. A session that is persisted again has its own
      // reachedAt.
      keepSession(this.#store, { reachedAt, ...(session as unknown as LostSession<number>) });
    }

    /** Returns NEVER if nothing sent since the socket connected is known to have reached it. */
    #reachedAt(socket?: Socket): number {
      // Not a Peer on a server that is not ours.
      const { reachedAt } = (socket?.conn ?? {}) as Partial<Peer>;
      const since = socket && this.#connectedAt.get(socket);
      return since === undefined || !reachedAt || reachedAt < since ? NEVER : reachedAt;
    }

    override async restoreSession(pid: string, offset: string, narrow: Narrow = allRooms) {
      const found = takeSession(this.#store, { pid, offset }, narrow);
      // The library's own method returns null and rooms of any type too. Its declaration does not
      // allow either.
      return (found ?? null) as unknown as Awaited<ReturnType<Adapter["restoreSession"]>>;
    }

    override close(): void {
      closeStore(this.#store);
      super.close();
    }
  };
}
