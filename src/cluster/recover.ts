import { applyMove, createRoomHistory, narrowRooms, type RoomChange } from "../core/membership.ts";
import { openAdapter, type StreamsInside } from "../seam/cluster-adapters.ts";
import { compareIds, type Point, type Position, readPoint, unkept } from "./position.ts";
import type { LiveSession, Session } from "./session-text.ts";
import type { Sessions } from "./sessions.ts";
import type { Kept, Tail } from "./tail.ts";

/** The adapter of the stream, and what recovery in `fanout/` reads of it. */
interface Recovering extends StreamsInside {
  addOffsetIfNecessary(packet: Packet, opts: Options, offset: string): void;
  broadcast(packet: Packet, opts: Options): unknown;
  persistSession(session: LiveSession): void;
  restoreSession(pid: string, offset: string, narrow?: Narrow): Promise<unknown>;
  /** For fan-out: which message of the stream a packet is. */
  identify?(data: unknown[]): string | undefined;
  /** For fan-out: how far this node is in the stream. */
  here?(): string;
}

interface Packet {
  readonly type?: number;
  readonly id?: number;
  readonly data?: unknown;
}

interface Options {
  readonly flags?: { readonly local?: boolean };
}

/** Returns the rooms of a session that its client may still be in. */
type Narrow = (session: Session) => readonly unknown[];

/** What recovery over the stream needs. */
export interface RecoverNeeds {
  readonly sessions: Sessions;
  readonly tail: Tail;
  readonly position: Position;
  /** How long the node's reader may take to come to where a client's session was read to. */
  readonly timeoutMs: number;
}

const BROADCAST = 3;
/** Types of messages by which sockets join, leave and are disconnected. */
const MOVES = [4, 5, 6];
/** The type of an event's packet. */
const EVENT = 2;
/** What has no place in the stream is not settled by it. */
const AFTER_ALL = "9999999999999999-0";

/** Returns the name of a session. */
export function sessionName(namespace: string, pid: string): string {
  return `${namespace},${pid}`;
}

/**
 * Makes an adapter of the stream recover sessions exactly: what was delivered before a connection
 * ended is not sent again, and nothing is left out, whichever node the message and the client came
 * from.
 *
 * A session is handed out when this node has delivered all that the client is sent instead of it:
 * so nothing comes twice afterwards.
 */
export function recoverExactly(namespaceAdapter: object, needs: RecoverNeeds): void {
  const adapter: Recovering = openAdapter("streams", namespaceAdapter);
  const { sessions, tail, position } = needs;
  const { publishAndReturnOffset, broadcast, onRawMessage } = adapter;
  const namespace = adapter.nsp.name;
  const own = position.publisher(adapter.uid);
  const ids = new WeakMap<object, string>();
  let fromOthers = false;

  /** An offset on every event, or its client would take the text that comes last for one. */
  function mark({ type, id, data }: Packet, offset: string): void {
    if (type === EVENT && id === undefined && Array.isArray(data)) data.push(offset);
  }

  adapter.publishAndReturnOffset = function (this: Recovering, message) {
    const { type } = message as { type: number };
    const isMove = MOVES.includes(type);
    if (isMove || isKept(message)) own.begin();
    const sent = publishAndReturnOffset.call(this, message);
    // Before its sender goes on to do it here.
    if (isMove) void sent.then(own.end, () => own.end(""));
    return sent;
  };
  adapter.broadcast = function (this: Recovering, shared, opts) {
    // A copy: dynamic namespaces of one parent share its packets, and each has its own offsets.
    const packet = Array.isArray(shared.data) ? { ...shared, data: [...shared.data] } : shared;
    // It is not published, and nobody else will give it an offset.
    if (opts.flags?.local) mark(packet, own.offset());
    return broadcast.call(this, packet, opts);
  };
  adapter.addOffsetIfNecessary = function (this: Recovering, packet, _opts, offset) {
    if (!fromOthers) own.end(offset);
    if (offset === "") return mark(packet, unkept(own.offset()));
    if (Array.isArray(packet.data)) ids.set(packet.data, offset);
    mark(packet, own.offset());
  };
  adapter.onRawMessage = function (this: Recovering, raw, id) {
    if ((raw as { uid?: unknown }).uid === this.uid) own.seen(id);
    position.readTo(id);
    fromOthers = true;
    try {
      onRawMessage.call(this, raw, id);
    } finally {
      fromOthers = false;
    }
  };
  adapter.persistSession = (session) => sessions.lose(sessionName(namespace, session.pid), session);
  adapter.identify = (data) => ids.get(data);
  adapter.here = own.offset;

  adapter.restoreSession = async (pid, offset, narrow = ({ rooms }) => rooms) => {
    const session = await sessions.claim(sessionName(namespace, pid), pid);
    const point = session && beginOf(session, offset);
    if (!session || !point) return null;
    const ending = await tail.after(point.from);
    if (!ending) return null;
    const since = ending.kept.filter((kept) => kept.namespace === namespace);
    const now = moveAlong(session, since);
    if (!now) return null;
    const narrowed = narrowRooms(now, narrow);
    const missed = listMissed(narrowed, since, point);
    for (const { data, id } of missed) ids.set(data, id);
    if (!(await own.reaches(ending.end, needs.timeoutMs))) return null;
    // Up to there all that is to be sent is in this: the rest the client has, or never gets.
    const settled = (data: unknown[]) => compareIds(ids.get(data) ?? AFTER_ALL, ending.end) <= 0;
    const missedPackets = missed.map(({ data }) => data);
    return { ...narrowed, missedPackets, settled, stored: now };
  };
}

/** Where a session's client is in the stream; undefined where that is not known. */
function beginOf({ since, whole }: Session, offset: string): Point | undefined {
  const begun = readPoint(since);
  const point = readPoint(offset);
  if (!begun) return undefined;
  if (point && compareIds(point.from, begun.from) >= 0) return point.kept ? point : undefined;
  // The offset is another session's, or none: it has received nothing since it connected.
  return whole ? begun : undefined;
}

/** Does to a session what was done to others since its last change; undefined if that ended it. */
function moveAlong(session: Session, since: readonly Kept[]): Session | undefined {
  const inside = new Set(session.rooms);
  const changes: RoomChange<string>[] = [...session.changes];
  // What was done before and has changed nothing then changes nothing now.
  const last = readPoint(changes.at(-1)?.at ?? session.since);
  for (const { id, uid, move } of since) {
    if (!move || last?.has(id, uid)) continue;
    if (!applyMove(inside, { move, at: id }, changes)) return undefined;
  }
  return { ...session, rooms: [...inside], changes };
}

/** Lists what a session's client has not got, though it was for it when it was sent. */
function listMissed(session: Session, since: readonly Kept[], point: Point): Kept[] {
  const changes = session.changes.map((change) => ({ ...change, at: readPoint(change.at) }));
  const wasRecipient = createRoomHistory({ rooms: session.rooms, changes });
  return since.filter((kept) => {
    if (kept.move || point.has(kept.id, kept.uid)) return false;
    return wasRecipient(kept, (at) => at?.has(kept.id, kept.uid) === false);
  });
}

/** Whether the stream keeps a message: broadcasts but those to be acknowledged. */
function isKept(message: object): boolean {
  const { type, data } = message as { type: number; data?: { requestId?: unknown } };
  return type === BROADCAST && data?.requestId === undefined;
}
