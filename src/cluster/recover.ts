import { isFor } from "../core/packet.ts";
import { compareIds, type Position, readPoint } from "./position.ts";
import type { LiveSession, Session } from "./session-text.ts";
import type { Sessions } from "./sessions.ts";
import type { Tail } from "./tail.ts";

/** The members of the streams adapter by which sessions are kept and found, of its version 0.3.1. */
export interface Recovering {
  readonly uid: string;
  readonly nsp: { readonly name: string };
  publishAndReturnOffset(message: object): Promise<string>;
  addOffsetIfNecessary(packet: { readonly data?: unknown }, opts: object, offset: string): void;
  onRawMessage(raw: object, id: string): void;
  persistSession(session: LiveSession): void;
  restoreSession(pid: string, offset: string, narrow?: Narrow): Promise<unknown>;
  /** For fan-out: which message of the stream a packet is. */
  identify?(data: unknown[]): string | undefined;
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
/** What has no place in the stream is not settled by it. */
const AFTER_ALL = "9999999999999999-0";

/** Returns the name of a session. */
export function sessionName(namespace: string, pid: string): string {
  return `${namespace},${pid}`;
}

/**
 * Makes an adapter of the stream recover sessions exactly: what was delivered before a connection
 * ended is not sent again, and nothing is left out, whichever node the message and the client came from.
 *
 * A session is handed out when this node has delivered all that the client is sent instead of it: so
 * nothing comes twice afterwards.
 */
export function recoverExactly(adapter: Recovering, needs: RecoverNeeds): void {
  const { sessions, tail, position } = needs;
  const { publishAndReturnOffset, addOffsetIfNecessary, onRawMessage } = adapter;
  const namespace = adapter.nsp.name;
  const own = position.publisher(adapter.uid);
  const ids = new WeakMap<object, string>();
  let fromOthers = false;

  adapter.publishAndReturnOffset = function (this: Recovering, message) {
    if (isKept(message)) own.begin();
    return publishAndReturnOffset.call(this, message);
  };
  adapter.addOffsetIfNecessary = function (this: Recovering, packet, opts, offset) {
    if (!fromOthers) own.end(offset);
    if (offset === "") return addOffsetIfNecessary.call(this, packet, opts, offset);
    if (Array.isArray(packet.data)) ids.set(packet.data, offset);
    addOffsetIfNecessary.call(this, packet, opts, own.offset());
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

  adapter.restoreSession = async (pid, offset, narrow = ({ rooms }) => rooms) => {
    const point = readPoint(offset);
    if (!point) return null;
    const session = await sessions.claim(sessionName(namespace, pid), pid);
    if (!session) return null;
    const ending = await tail.after(point.from);
    if (!ending) return null;
    const rooms = narrow(session);
    const missedPackets: unknown[][] = [];
    for (const kept of ending.kept) {
      if (kept.namespace !== namespace || point.has(kept.id, kept.uid)) continue;
      if (!isFor(rooms, kept)) continue;
      ids.set(kept.data, kept.id);
      missedPackets.push(kept.data);
    }
    if (!(await own.reaches(ending.end, needs.timeoutMs))) return null;
    // Up to there all that is to be sent is in this: the rest the client has, or never gets.
    const settled = (data: unknown[]) => compareIds(ids.get(data) ?? AFTER_ALL, ending.end) <= 0;
    return { ...session, rooms, missedPackets, settled };
  };
}

/** Whether the stream keeps a message: broadcasts but those to be acknowledged. */
function isKept(message: object): boolean {
  const { type, data } = message as { type: number; data?: { requestId?: unknown } };
  return type === BROADCAST && data?.requestId === undefined;
}
