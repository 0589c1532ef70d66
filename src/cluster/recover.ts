import { applyMove, createRoomHistory, narrowRooms, type RoomChange } from "../core/membership.ts";
import { within } from "../core/within.ts";
import { NOWHERE } from "./log/carrier.ts";
import { compareIds, type EntryId, type EventLog, findAfter, isId } from "./log/event-log.ts";
import { msOf } from "./log/trust.ts";
import { type LogMessage, readLogMessage, type StatePatch } from "./messages.ts";
import { patchSession } from "./patches.ts";
import type { LiveSession, Session } from "./session-text.ts";

/** Where sessions wait for their clients. A name is the namespace, a comma and the secret. */
export interface SessionStore {
  /** The socket is gone, and its client may come back within the window. */
  lose(name: string, session: LiveSession): void;
  /** Takes the session of a client that comes back; nobody else gets it then. */
  claim(name: string, pid: string): Promise<Claimed | undefined>;
}

/** A session that was taken. */
export interface Claimed {
  readonly session: Session;
  /** It is as its node kept it while the socket lived: that node's last changes may be missing. */
  readonly mayLag: boolean;
}

/** What is read of a log for clients that come back. */
export interface RecoverLimits {
  /** What may be held at once for one namespace; the oldest messages go first. */
  readonly packetsMax: number;
  readonly bytesMax: number;
  /** How long the node may take to come to where a client's session was read to. */
  readonly timeoutMs: number;
}

/** What recovery needs of the adapter of a namespace. */
export interface RecoverNeeds extends RecoverLimits {
  readonly namespace: string;
  readonly sessions: SessionStore;
  readonly log: Pick<EventLog<unknown>, "after" | "reached">;
  /** Hears the entries for some rooms until the returned function is called. */
  hold(rooms: readonly unknown[]): () => void;
  /** Notes which entry a packet's data is, or a move's recipients, and returns what was noted. */
  readonly ids: WeakMap<object, EntryId>;
}

/** What a client gets back, and what it is sent. */
export interface Restored extends Session {
  readonly missedPackets: unknown[][];
  /**
   * Whether a packet that was delivered to others meanwhile, known by its data, is among these or
   * was not for it; whether the session has had a move, known by its recipients.
   */
  settled(of: object): boolean;
  /** The session to persist again if the client is refused. */
  readonly stored: Session;
}

/** Returns the rooms of a session that its client may still be in. */
export type Narrow = (session: Session) => readonly unknown[];

/** Recovers the sessions of one namespace from its log. */
export interface Recover {
  restore(pid: string, offset: string, narrow: Narrow): Promise<Restored | null>;
  /** Call with each patch that is heard: also of a session whose socket is not there yet. */
  patch(patch: StatePatch): void;
  stop(): void;
}

/** A session that was claimed, until its socket is there. */
interface Coming {
  readonly sid: string;
  /** Set once it was read up to where its node is. */
  session?: Session;
  /** What is heard before that: the log may have older patches, which are read first. */
  readonly heard: StatePatch[];
}

/** Marks the offset of a packet that the log does not have, beside the place of its node. */
const AWAY = ".away";

/** What a node hears is kept within this time, unless Redis takes no commands for longer. */
const KEPT_LATE_MS = 10_000;

/** Returns the offset of a packet that the log does not have. Who returns with it begins anew. */
export function unkept(place: EntryId): string {
  return place + AWAY;
}

/** Returns the name of a session. */
export function sessionName(namespace: string, pid: string): string {
  return `${namespace},${pid}`;
}

/**
 * Returns what recovers sessions exactly: what was delivered before a connection ended is not sent
 * again, and nothing is left out, whichever node the message and the client came from.
 *
 * A session is handed out when this node has delivered all that the client is sent instead of it:
 * so nothing comes twice afterwards. Before the log is read the node subscribes to the session's
 * rooms: so nothing is lost between the end of that and the moment when its socket is in them.
 */
export function createRecover(needs: RecoverNeeds): Recover {
  const { namespace, sessions, log, hold, ids, timeoutMs } = needs;
  const tail = createTail(log, needs);
  const coming = new Set<Coming>();

  /**
   * Reads what came after a session's begin, with the node hearing all its rooms meanwhile. Of one
   * that was kept the client may have got more than the session says: it is brought up to that.
   */
  async function follow({ session, mayLag }: Claimed, from: EntryId, releases: (() => void)[]) {
    const held = new Set<unknown>();
    const first = mayLag ? earlierOf(from, session) : from;
    for (let rooms = session.rooms; ; ) {
      const more = rooms.filter((room) => !held.has(room));
      for (const room of more) held.add(room);
      releases.push(hold(more));
      const early = first === from ? undefined : await tail.after(first);
      const ending = early ?? (await tail.after(from));
      const now = ending && moveAlong(session, ending.kept);
      if (!now) return undefined;
      if (now.rooms.every((room) => held.has(room))) return { ...ending, now };
      rooms = now.rooms;
    }
  }

  async function restore(pid: string, offset: string, narrow: Narrow, releases: (() => void)[]) {
    const claimed = await sessions.claim(sessionName(namespace, pid), pid);
    const from = claimed && beginOf(claimed.session, offset);
    if (!claimed || from === undefined) return null;
    const own: Coming = { sid: claimed.session.sid, heard: [] };
    coming.add(own);
    releases.push(() => coming.delete(own));
    const found = await follow(claimed, from, releases);
    if (!found) return null;
    const { now, kept, end } = found;
    const narrowed = narrowRooms(now, narrow);
    const missedPackets = listMissed(narrowed, kept, from).map(({ id, data }) => {
      const packet = [...data, id];
      ids.set(packet, id);
      return packet;
    });
    const reached = log.reached(end).then(() => true);
    if (!(await within(reached, timeoutMs, () => false))) return null;
    own.session = now;
    for (const patch of own.heard) patchSession(now, patch);
    // Up to there all that is to be sent is in this: the rest the client has, or never gets. So is
    // what was done to the session. This node may hear that only now, and it is not to be repeated:
    // the client may have joined later what it was moved out of.
    const settled = (of: object) => {
      const id = ids.get(of);
      return id !== undefined && compareIds(id, end) <= 0;
    };
    return { ...narrowed, missedPackets, settled, stored: now };
  }

  return {
    async restore(pid, offset, narrow) {
      const releases: (() => void)[] = [];
      try {
        return await restore(pid, offset, narrow, releases);
      } finally {
        // By then the client's socket has its rooms.
        setImmediate(() => {
          for (const release of releases) release();
        });
      }
    },
    patch(patch) {
      for (const { sid, session, heard } of coming) {
        if (!patch.to.rooms.has(sid)) continue;
        if (session) patchSession(session, patch);
        else heard.push(patch);
      }
    },
    stop: () => tail.stop(),
  };
}

/** Where a session's client is in the log; undefined where that is not known. */
function beginOf({ since, whole }: Session, offset: string): EntryId | undefined {
  if (!isId(since)) return undefined;
  const isKept = isId(offset);
  const id = offset.endsWith(AWAY) ? offset.slice(0, -AWAY.length) : offset;
  if (isId(id) && compareIds(id, since) >= 0) return isKept ? id : undefined;
  // The offset is another session's, or none: it has received nothing since it connected.
  return whole && since !== NOWHERE ? since : undefined;
}

/**
 * Returns where to read from so that no change is missing in a session that was kept, whose client
 * is at `from`: not before the last that it has.
 */
function earlierOf(from: EntryId, session: Session): EntryId {
  const early = `${Math.max(0, msOf(from) - KEPT_LATE_MS)}-0`;
  const last = lastOf(session);
  const first = compareIds(early, last) > 0 ? early : last;
  return compareIds(first, from) < 0 ? first : from;
}

function lastOf({ changes, since, undoneAt = since }: Session): EntryId {
  const last = changes.at(-1)?.at ?? since;
  return compareIds(undoneAt, last) > 0 ? undoneAt : last;
}

/** Does to a session what was done to others since its last change; undefined if that ended it. */
function moveAlong(session: Session, kept: readonly Kept[]): Session | undefined {
  const along = { ...session };
  const inside = new Set(session.rooms);
  const changes: RoomChange<string>[] = [...session.changes];
  // What was done before and has changed nothing then changes nothing now.
  const last = lastOf(session);
  for (const { id, message } of kept) {
    // Its version says whether the session had it already.
    if (message.do === "patch") {
      patchSession(along, message);
      continue;
    }
    if (message.do === "emit" || compareIds(id, last) <= 0) continue;
    if (!applyMove(inside, { move: message, at: id }, changes)) return undefined;
  }
  return { ...along, rooms: [...inside], changes };
}

/** Lists what a session's client has not got, though it was for it when it was sent. */
function listMissed(session: Session, kept: readonly Kept[], from: EntryId) {
  const wasRecipient = createRoomHistory(session);
  return kept.flatMap(({ id, message }) => {
    if (message.do !== "emit" || compareIds(id, from) <= 0) return [];
    if (!wasRecipient(message.to, (at) => compareIds(id, at) > 0)) return [];
    return [{ id, data: message.data }];
  });
}

/** A broadcast that can be sent again, or what was done to sockets. */
interface Kept {
  readonly id: EntryId;
  readonly message: LogMessage;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
}

/** What the end of the log holds, oldest first. */
interface Ending {
  readonly kept: readonly Kept[];
  /** Everything up to this entry was looked at. */
  readonly end: EntryId;
}

/** Reads the end of the log for clients that come back, once for all that come together. */
interface Tail {
  /**
   * Returns what comes after an entry, up to a moment that is not before this call; undefined when
   * the log has lost some of it.
   */
  after(from: EntryId): Promise<Ending | undefined>;
  stop(): void;
}

interface Ask {
  readonly from: EntryId;
  resolve(ending: Ending | undefined): void;
  reject(error: unknown): void;
}

/** The messages after `first`, up to `last`. */
interface Held {
  first: EntryId;
  last: EntryId;
  bytes: number;
  readonly kept: Kept[];
}

/** For how long the messages are held: clients of a node that died come within seconds. */
const HELD_MS = 5_000;
/** How much of a full hold is dropped at once, so that dropping costs little a message. */
const DROP_SHARE = 16;
/** What a message takes in memory beside its body. */
const MESSAGE_BYTES = 64;

/**
 * Returns the tail of a log.
 *
 * After a node's death thousands come back with nearly the same offset. Who comes while the log is
 * read waits for the next reading, and that begins where the one before ended: each entry is
 * fetched and decoded once, not once a client.
 */
function createTail(log: RecoverNeeds["log"], limits: RecoverLimits): Tail {
  let waiting: Ask[] = [];
  let reading = false;
  let held: Held | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function read(): Promise<void> {
    reading = true;
    while (waiting.length > 0) {
      const asks = waiting;
      waiting = [];
      try {
        await answer(asks);
      } catch (error) {
        for (const ask of asks) ask.reject(error);
      }
    }
    reading = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      held = undefined;
    }, HELD_MS).unref();
  }

  async function answer(asks: readonly Ask[]): Promise<void> {
    if (held && !(await extend(held))) held = undefined;
    const { first } = held ?? {};
    const early = asks.filter(({ from }) => first === undefined || compareIds(from, first) < 0);
    await begin([...new Set(early.map(({ from }) => from))].sort(compareIds));
    for (const { from, resolve } of asks) {
      if (!held || compareIds(from, held.first) < 0) resolve(undefined);
      else resolve({ kept: held.kept.slice(findAfter(held.kept, from)), end: held.last });
    }
  }

  /** Reads anew from the oldest of these that the log goes back to. */
  async function begin(froms: readonly EntryId[]): Promise<void> {
    let low = 0;
    let high = froms.length;
    // Mostly it goes back to the first: then that is the only reading.
    for (let at = 0; low < high; at = (low + high) >> 1) {
      const first = froms[at] as EntryId; // low <= at < high
      const anew: Held = { first, last: first, bytes: 0, kept: [] };
      if (await extend(anew)) {
        held = anew;
        high = at;
      } else low = at + 1;
    }
  }

  /** Reads on. Returns whether nothing is missing. */
  async function extend(to: Held): Promise<boolean> {
    const part = await log.after(to.last);
    if (!part) return false;
    to.last = part.end;
    for (const { id, body } of part.entries) {
      const message = readLogMessage(body);
      if (!message || !isKept(message)) continue;
      to.kept.push({ id, message, bytes: body.length + MESSAGE_BYTES });
      to.bytes += body.length + MESSAGE_BYTES;
      if (to.bytes > limits.bytesMax || to.kept.length > limits.packetsMax) drop(to);
    }
    return true;
  }

  return {
    after(from) {
      return new Promise((resolve, reject) => {
        waiting.push({ from, resolve, reject });
        if (!reading) void read();
      });
    },
    stop() {
      clearTimeout(timer);
      held = undefined;
    },
  };
}

function drop(from: Held): void {
  for (const each of from.kept.splice(0, Math.ceil(from.kept.length / DROP_SHARE))) {
    from.first = each.id;
    from.bytes -= each.bytes;
  }
}

/** What is volatile or acknowledged is sent once or never. */
function isKept(message: LogMessage): boolean {
  if (message.do !== "emit") return true;
  return message.id === undefined && message.to.flags?.volatile === undefined;
}
