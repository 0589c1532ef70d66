import {
  applyMove,
  isRecipient,
  type Move,
  type Recipients,
  type RoomChange,
} from "../core/membership.ts";
import type { Lost } from "./recovery-memory.ts";

/** The session of a client that comes back, as adapters give it. */
export interface Session extends Lost {
  readonly missedPackets: unknown[][];
  /** The session as it is to be kept on if its client does not get in. */
  readonly stored: Lost;
  /** Whether these decide about a packet that was delivered to others meanwhile. */
  settled?(data: unknown[]): boolean;
}

/** A client between the moment its session is asked for and the one it is connected. */
export interface Return {
  session: Session | undefined;
  /** What has happened to others here meanwhile, in order. */
  passed: Passed[];
  /** What was done to it before Socket.IO has given it its rooms. */
  readonly early: Move[];
  /** Why it cannot be recovered any more: more passed than is kept, or it was disconnected. */
  failed: "overflow" | "disconnect" | undefined;
}

/** A packet that was delivered to others, or what was done to them and when. */
type Passed =
  | { readonly data: unknown[]; readonly to: Recipients }
  | { readonly move: Move; readonly at: unknown };

/** What returns need of their adapter. */
export interface ReturnsNeeds {
  /** The rooms of a socket that has its session and is not connected yet. */
  readonly sids: ReadonlyMap<string, ReadonlySet<unknown>>;
  addAll(id: string, rooms: ReadonlySet<unknown>): void;
  del(id: string, room: unknown): void;
  /**
   * Which packet it is, where a missed one and one that was delivered meanwhile can be the same.
   */
  identify?(data: unknown[]): string | undefined;
}

/** The clients of one namespace that are on their way back. */
export interface Returns {
  /**
   * Returns the session that `restore` brings, as it is by then, unless somebody asks for it
   * already.
   */
  ask(pid: string, restore: () => Promise<Session | null> | null): Promise<Session | undefined>;
  /** Takes out a client by its socket's id: it is connected, or it will not be. */
  take(id: string): Return | undefined;
  /** A packet is about to be delivered to others. */
  deliver(data: unknown[], to: Recipients): void;
  /** Something is about to be done to others. */
  move(move: Move, at: unknown): void;
  readonly size: number;
}

/** Packets kept for one client while a middleware decides about it. */
const PASSED_MAX = 10_000;

/**
 * Returns the bookkeeping of who is on the way back: nothing that happens to others is lost to
 * them.
 */
export function createReturns(adapter: ReturnsNeeds): Returns {
  // A map for each kind of name: who asks with another's socket id for a secret meets nobody.
  /** Whose sessions are asked for, by their secrets. */
  const asking = new Map<string, Return>();
  /** Who has its session and is not connected yet, by socket id. */
  const entering = new Map<string, Return>();

  function roomsNow(id: string, { session }: Return): ReadonlySet<unknown> {
    return adapter.sids.get(id) ?? new Set(session?.rooms);
  }

  function moveEntering(id: string, back: Return, move: Move): void {
    if (!isRecipient(roomsNow(id, back), move.to)) return;
    if (!adapter.sids.has(id)) back.early.push(move);
    else if (move.do === "disconnect") back.failed = "disconnect";
    else if (move.do === "join") adapter.addAll(id, new Set(move.rooms));
    else for (const room of move.rooms) adapter.del(id, room);
  }

  /** Does what came too early, as soon as it can be done. */
  function settle(id: string, back: Return): void {
    if (back.early.length === 0 || !adapter.sids.has(id)) return;
    for (const move of back.early.splice(0)) moveEntering(id, back, move);
  }

  return {
    async ask(pid, restore) {
      // Two with one secret: the second finds no session, and the first is not disturbed.
      if (asking.has(pid)) return undefined;
      const coming: Return = { session: undefined, passed: [], early: [], failed: undefined };
      asking.set(pid, coming);
      const found = await Promise.resolve(restore()).catch(() => null);
      asking.delete(pid);
      if (!found || coming.failed) return undefined;
      const identify = (data: unknown[]) => adapter.identify?.(data) ?? data;
      const missed = new Set(found.missedPackets.map(identify));
      const session = catchUp(found, coming, (data) => missed.has(identify(data)));
      if (session) entering.set(session.sid, coming);
      return session;
    },
    take(id) {
      const back = entering.get(id);
      if (back) settle(id, back);
      entering.delete(id);
      return back;
    },
    deliver(data, to) {
      for (const each of asking.values()) pass(each, { data, to });
      for (const [id, each] of entering) {
        settle(id, each);
        if (isRecipient(roomsNow(id, each), to)) pass(each, { data, to });
      }
    },
    move(move, at) {
      for (const each of asking.values()) pass(each, { move, at });
      for (const [id, each] of entering) {
        settle(id, each);
        moveEntering(id, each, move);
      }
    },
    get size() {
      return asking.size + entering.size;
    },
  };
}

function pass(back: Return, passed: Passed): void {
  if (back.failed || back.passed.push(passed) <= PASSED_MAX) return;
  back.passed.length = 0;
  back.failed = "overflow";
}

/** Does to a session what happened while it was asked for; undefined if that ended it. */
function catchUp(
  found: Session,
  coming: Return,
  isMissed: (data: unknown[]) => boolean,
): Session | undefined {
  const inside = new Set(found.rooms);
  const changes: RoomChange[] = [...found.changes];
  const kept: Passed[] = [];
  for (const each of coming.passed) {
    if ("move" in each) {
      if (!applyMove(inside, each, changes)) return undefined;
    } else if (
      isRecipient(inside, each.to) &&
      !found.settled?.(each.data) &&
      !isMissed(each.data)
    ) {
      kept.push(each);
    }
  }
  coming.passed = kept;
  coming.session = { ...found, rooms: [...inside], changes };
  return coming.session;
}
