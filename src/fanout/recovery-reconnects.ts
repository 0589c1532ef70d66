import {
  applyMove,
  isRecipient,
  type Move,
  type Recipients,
  type RoomChange,
} from "../core/membership.ts";
import type { RestoredSession } from "./recovery-memory.ts";
import type { SessionAdapter } from "./recovery-rooms.ts";

/** A reconnecting client, from the request for its session until it is connected. */
export interface Reconnect {
  session: RestoredSession | undefined;
  /** What was delivered or moved on this node meanwhile, in order. */
  meanwhile: Meanwhile[];
  /** Moves that came before Socket.IO gave the socket its rooms. */
  readonly early: Move[];
  /** Why it cannot be recovered: `meanwhile` grew too long, or a move disconnected it. */
  failed: "overflow" | "disconnect" | undefined;
}

/** A packet that was delivered to others, or a move and its time. */
type Meanwhile =
  | { readonly data: unknown[]; readonly to: Recipients }
  | { readonly move: Move; readonly at: unknown };

/** Packets and moves kept for one client while it reconnects. */
const MEANWHILE_MAX = 10_000;

/** Returns the reconnecting clients. What others get while a client reconnects is kept for it. */
export function createReconnects(adapter: SessionAdapter) {
  // Two maps, because clients choose the secret that they send: it could be another's socket id.
  /** Clients whose session is being looked up, by secret. */
  const asking = new Map<string, Reconnect>();
  /** Clients that have their session and are not connected yet, by socket id. */
  const entering = new Map<string, Reconnect>();

  function roomsNow(id: string, { session }: Reconnect): ReadonlySet<unknown> {
    return adapter.sids.get(id) ?? new Set(session?.rooms);
  }

  function moveEntering(id: string, client: Reconnect, move: Move): void {
    if (!isRecipient(roomsNow(id, client), move.to)) return;
    if (!adapter.sids.has(id)) client.early.push(move);
    else if (move.do === "disconnect") client.failed = "disconnect";
    else if (move.do === "join") adapter.addAll(id, new Set(move.rooms));
    else for (const room of move.rooms) adapter.del(id, room);
  }

  /** Applies the early moves once the socket has its rooms. */
  function applyEarly(id: string, client: Reconnect): void {
    if (client.early.length === 0 || !adapter.sids.has(id)) return;
    for (const move of client.early.splice(0)) moveEntering(id, client, move);
  }

  return {
    /**
     * Returns the session from `restore`, with what happened meanwhile applied. Undefined if there
     * is none, or it is being asked for already.
     */
    async ask(pid: string, restore: () => ReturnType<SessionAdapter["restoreSession"]>) {
      // A second client with the same secret gets no session. The first is not affected.
      if (asking.has(pid)) return undefined;
      const coming: Reconnect = { session: undefined, meanwhile: [], early: [], failed: undefined };
      asking.set(pid, coming);
      const found = await Promise.resolve(restore()).catch(() => null);
      asking.delete(pid);
      if (!found || coming.failed) return undefined;
      const session = catchUp(found, coming, adapter);
      if (session) entering.set(session.sid, coming);
      return session;
    },
    /** Removes and returns a client. Call when it is connected, or will not be. */
    take(id: string): Reconnect | undefined {
      const client = entering.get(id);
      if (client) applyEarly(id, client);
      entering.delete(id);
      return client;
    },
    /** Call before a packet is delivered to others. */
    deliver(data: unknown[], to: Recipients): void {
      for (const each of asking.values()) addMeanwhile(each, { data, to });
      for (const [id, each] of entering) {
        applyEarly(id, each);
        if (isRecipient(roomsNow(id, each), to)) addMeanwhile(each, { data, to });
      }
    },
    /** Call before a move is applied to others. */
    move(move: Move, at: unknown): void {
      for (const each of asking.values()) addMeanwhile(each, { move, at });
      for (const [id, each] of entering) {
        applyEarly(id, each);
        moveEntering(id, each, move);
      }
    },
    get size() {
      return asking.size + entering.size;
    },
  };
}

function addMeanwhile(client: Reconnect, meanwhile: Meanwhile): void {
  if (client.failed || client.meanwhile.push(meanwhile) <= MEANWHILE_MAX) return;
  client.meanwhile.length = 0;
  client.failed = "overflow";
}

/** Applies what happened while a session was looked up. Undefined if that disconnected it. */
function catchUp(
  found: RestoredSession,
  coming: Reconnect,
  adapter: SessionAdapter,
): RestoredSession | undefined {
  const identify = (data: unknown[]) => adapter.identify?.(data) ?? data;
  const missed = new Set(found.missedPackets.map(identify));
  const inside = new Set(found.rooms);
  const changes: RoomChange[] = [...found.changes];
  const kept: Meanwhile[] = [];
  for (const each of coming.meanwhile) {
    if ("move" in each) {
      if (found.settled?.(each.move.to)) continue;
      if (!applyMove(inside, each, changes)) return undefined;
    } else if (
      isRecipient(inside, each.to) &&
      !found.settled?.(each.data) &&
      !missed.has(identify(each.data))
    ) {
      kept.push(each);
    }
  }
  coming.meanwhile = kept;
  coming.session = { ...found, rooms: [...inside], changes };
  return coming.session;
}
