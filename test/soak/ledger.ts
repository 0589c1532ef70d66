/**
 * What each session must have received, kept beside the servers by plain rules.
 *
 * Where something races, both is right: a session that is about to join or to leave a room may get
 * what is sent to it then, or not. A server has handled a packet for a session when that has got a
 * later one of the same sender: packets of one sender come in order.
 */
import { findDisorder } from "./order.ts";

/** Who a packet is for; no rooms are everyone. */
export interface Recipients {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
}

/** A packet on its way. */
export interface Packet {
  readonly n: number;
  /** Its packets come in order. */
  readonly sender: string;
  /** May be missing: volatile, or sent for an ack, which recovery does not keep. */
  readonly optional?: boolean;
  /** Not in the order of the others. */
  readonly loose?: boolean;
}

/** A session joins or leaves a room. */
export interface Change {
  readonly sid: string;
  readonly room: string;
  readonly joined: boolean;
  /** The packet before which it comes, in its sender's order; else it ends with `done`. */
  readonly after?: Packet;
  /**
   * It may come or not, even if the session gets that packet: who joins a room between the two is
   * not moved, and gets what is sent to the room.
   */
  readonly unsure?: boolean;
}

/** Whoever is in one of some rooms joins or leaves another, when its turn comes. */
export interface Move {
  readonly of: readonly string[];
  readonly room: string;
  readonly joined: boolean;
}

/** What should not have been. */
export interface Fault {
  readonly text: string;
  readonly sids: readonly string[];
  readonly packets: readonly number[];
}

/** Yes, no, or perhaps. */
type Verdict = 1 | 0 | 0.5;

interface Membership {
  is: Verdict;
  /** What it was before the change that is pending. */
  was: Verdict;
  /** Changes that have begun and not ended. */
  readonly pending: Set<Change>;
  /** Two came at once, or one whose end is not known. */
  unclear: boolean;
  /** Its server may still do what it asked for itself, as long as the session is not back. */
  late: boolean;
  /** It has joined or left by itself in this round. */
  touched: boolean;
  /** The packet behind the last move that was done. */
  movedBefore?: number | undefined;
}

interface Due {
  verdict: Verdict;
  /** The connection it was sent to; 0 while there was none. */
  readonly connection: number;
  /** It comes through that connection, or never. */
  isUnkept?: boolean;
}

interface Account {
  readonly due: Map<number, Due>;
  readonly got: { readonly n: number; readonly loose: boolean }[];
  /** The last packet that was got of each sender. */
  readonly handled: Map<string, number>;
  readonly rooms: Map<string, Membership>;
  state: "here" | "lost" | "ended";
  connections: number;
}

interface Sent extends Packet {
  readonly to: Recipients;
}

/** The accounts of all sessions, by socket id. */
export interface Ledger {
  /** A new session, in its own room. If that is told late, it may have got what was sent before. */
  open(sid: string, isLate?: boolean): void;
  /**
   * A lost session has a connection again; false for one that is not known. What it joined and left
   * by itself in this round may be forgotten if it is `stale`.
   */
  resume(sid: string, isStale?: boolean): boolean;
  /** The connection is gone, and the session may come back. */
  lose(sid: string): void;
  /** The session is gone for good. */
  end(sid: string): void;
  begin(change: Change): void;
  done(change: Change): void;
  /** The rooms of a session, and whether that is certain. */
  roomsOf(sid: string): ReadonlyMap<string, boolean>;
  isChanging(sid: string, room: string): boolean;
  /** Also of sessions that are lost. The packet is sent to the same rooms behind it. */
  move(move: Move, packet: Packet): void;
  /** Writes a packet down for each of its recipients; returns how many there are for certain. */
  send(packet: Packet, to: Recipients): number;
  /** It is not known whether a packet was sent; to these sessions it was. */
  doubt(n: number, certain?: ReadonlySet<string>): void;
  /** `loose` if it is known to have come out of order, as is right while the log is away. */
  receive(sid: string, n: number, loose?: boolean): void;
  /** Whether the last packet that a session got is this one. */
  hasLast(sid: string, n: number): boolean;
  hasGot(sid: string, n: number): boolean;
  /**
   * Returns what is wrong, and begins anew with those that are here. They must have all that was
   * due; who is gone, all up to some moment.
   */
  settle(): Fault[];
}

/** Returns a ledger without sessions. If all is done in the turn in which it is begun, `atOnce`. */
export function createLedger({ atOnce = false } = {}): Ledger {
  const accounts = new Map<string, Account>();
  const sent = new Map<number, Sent>();
  /** What may be sent yet, or again. */
  const doubted = new Set<number>();
  const moves: { readonly move: Move; readonly packet: Packet }[] = [];

  function of(sid: string): Account {
    const account = accounts.get(sid);
    if (!account) throw new Error(`no session ${sid}`);
    return account;
  }

  function judgeAll(account: Account, packets: Iterable<Sent>): void {
    for (const packet of packets) {
      const due = account.due.get(packet.n);
      const now = verdictOf(account, packet);
      if (due && due.verdict !== now) due.verdict = 0.5;
      else if (!due && now > 0) account.due.set(packet.n, { verdict: 0.5, connection: 0 });
    }
  }

  /** What is under way may find the rooms as they were, or as they will be. */
  function race(account: Account, by: string | undefined): void {
    if (atOnce) return;
    const isOpen = ({ n, sender, loose }: Sent) =>
      (sender !== by || loose) && n > (account.handled.get(sender) ?? -1);
    judgeAll(account, [...sent.values()].filter(isOpen));
  }

  function begin(change: Change): void {
    const account = of(change.sid);
    const { rooms } = account;
    const found = rooms.get(change.room) ?? newMembership(0);
    rooms.set(change.room, found);
    found.unclear = found.pending.size > 0 || found.late;
    found.touched ||= change.after === undefined;
    found.pending.add(change);
    [found.was, found.is] = [found.is, 0.5];
    race(account, change.unsure ? undefined : change.after?.sender);
    // Who joins or leaves a room meanwhile may be among those that are moved, or not.
    for (const { move, packet } of atOnce ? [] : moves) {
      if (!move.of.includes(change.room) || packet === change.after) continue;
      if (packet.n <= (account.handled.get(packet.sender) ?? -1)) continue;
      const known = [...(account.rooms.get(move.room)?.pending ?? [])];
      if (known.some(({ after, unsure }) => after === packet && unsure)) continue;
      begin({ ...move, sid: change.sid, after: packet, unsure: true });
    }
  }

  function move(made: Move, packet: Packet): void {
    for (const [sid, { rooms }] of [...accounts]) {
      const inside = Math.max(...made.of.map((room) => isMember(rooms.get(room), packet)));
      if (inside === 0) continue;
      const { room, joined } = made;
      const change: Change = { sid, room, joined, after: packet, unsure: inside < 1 };
      begin(change);
      if (atOnce) done(change);
    }
    moves.push({ move: made, packet });
  }

  function done(change: Change): void {
    const found = accounts.get(change.sid)?.rooms.get(change.room);
    if (!found?.pending.delete(change)) return;
    found.movedBefore = change.after?.n;
    if (!found.unclear) found.is = change.joined ? 1 : 0;
  }

  /** Changes of a session whose end will not be heard of. */
  function giveUp(account: Account, isMeant: (change: Change) => boolean): void {
    for (const membership of account.rooms.values()) {
      for (const change of membership.pending) {
        if (!isMeant(change)) continue;
        membership.pending.delete(change);
        blur(account, membership);
      }
    }
  }

  /** Whether it is in a room is not known until it joins or leaves it again. */
  function blur(account: Account, membership: Membership): void {
    membership.unclear = true;
    membership.is = 0.5;
    judgeAll(account, sent.values());
  }

  function receive(sid: string, n: number, loose: boolean): void {
    const account = accounts.get(sid);
    if (!account) return;
    const packet = sent.get(n);
    const isLoose = loose || packet?.loose === true;
    account.got.push({ n, loose: isLoose });
    if (!packet || isLoose) return;
    account.handled.set(packet.sender, Math.max(n, account.handled.get(packet.sender) ?? -1));
    for (const { pending } of account.rooms.values()) {
      for (const change of pending) {
        const { after, unsure } = change;
        if (after?.sender !== packet.sender || after.n > n) continue;
        if (unsure) giveUp(account, (each) => each === change);
        else done(change);
      }
    }
  }

  return {
    open(sid, isLate = false) {
      const rooms = new Map<string, Membership>();
      rooms.set(sid, newMembership(1));
      const more = { due: new Map(), got: [], handled: new Map() };
      const account: Account = { ...more, rooms, state: "here", connections: 1 };
      accounts.set(sid, account);
      if (isLate) judgeAll(account, sent.values());
    },
    resume(sid, isStale = false) {
      const account = accounts.get(sid);
      if (!account || account.state === "ended") return false;
      account.state = "here";
      account.connections++;
      for (const each of account.rooms.values()) {
        each.late = false;
        if (isStale && each.touched) blur(account, each);
      }
      return true;
    },
    lose(sid) {
      const account = of(sid);
      account.state = "lost";
      for (const due of account.due.values()) if (due.isUnkept) due.verdict = 0.5;
      const isOwn = ({ after }: Change) => after === undefined;
      for (const each of account.rooms.values()) each.late ||= [...each.pending].some(isOwn);
      giveUp(account, isOwn);
    },
    end(sid) {
      const account = of(sid);
      account.state = "ended";
      account.rooms.clear();
    },
    begin,
    done,
    roomsOf(sid) {
      const inside = [...of(sid).rooms].filter(([, { is }]) => is > 0);
      return new Map(inside.map(([room, { is }]) => [room, is === 1]));
    },
    isChanging: (sid, room) => (accounts.get(sid)?.rooms.get(room)?.pending.size ?? 0) > 0,
    move,
    send(packet, to) {
      const all = { ...packet, to };
      sent.set(packet.n, all);
      let count = 0;
      for (const account of accounts.values()) {
        const verdict = verdictOf(account, all);
        if (verdict === 0) continue;
        const connection = account.state === "here" ? account.connections : 0;
        account.due.set(packet.n, { verdict, connection });
        if (verdict === 1 || packet.optional) count++;
      }
      return count;
    },
    doubt(n, certain = new Set()) {
      doubted.add(n);
      for (const [sid, { due, state, connections }] of accounts) {
        const found = due.get(n);
        if (!found) continue;
        const isKept = certain.has(sid) && state === "here" && found.connection === connections;
        if (isKept) found.isUnkept = true;
        else found.verdict = 0.5;
      }
      for (const account of accounts.values()) {
        giveUp(account, ({ after }) => after?.n === n);
        // A later packet of its sender can come before the word that this one was not sent.
        for (const each of account.rooms.values()) if (each.movedBefore === n) blur(account, each);
      }
    },
    receive: (sid, n, loose = false) => receive(sid, n, loose),
    hasLast: (sid, n) => accounts.get(sid)?.got.at(-1)?.n === n,
    hasGot: (sid, n) => accounts.get(sid)?.got.some((each) => each.n === n) ?? false,
    settle() {
      const faults: Fault[] = [];
      const lists = new Map<string, number[]>();
      for (const [sid, account] of accounts) {
        const fault = judge(account, sent, doubted);
        if (fault) faults.push({ ...fault, sids: [sid], text: `${sid}: ${fault.text}` });
        lists.set(
          sid,
          account.got.filter(({ loose }) => !loose).map(({ n }) => n),
        );
        account.due.clear();
        account.got.length = 0;
        account.handled.clear();
        for (const each of account.rooms.values()) each.touched = false;
        giveUp(account, ({ after }) => after !== undefined);
        if (account.state !== "here") accounts.delete(sid);
      }
      // What waits for acks and is lost on its way back to its node, that gives its own sockets all
      // the same, when the time for the acks is over: after what was sent since.
      for (const { n, loose, optional } of sent.values()) if (loose && optional) doubted.add(n);
      // A double is in every order of its own.
      const disorder = faults.length === 0 ? findDisorder(lists) : undefined;
      if (disorder) faults.push({ ...disorder, sids: disorder.names });
      sent.clear();
      moves.length = 0;
      return faults;
    },
  };
}

function newMembership(is: Verdict): Membership {
  const pending = new Set<Change>();
  return { is, was: is, pending, unclear: false, late: false, touched: false };
}

/** Whether a packet that is sent now is for a session. */
function verdictOf({ rooms, state }: Account, { to, optional, ...packet }: Sent): Verdict {
  // A session that ended for good is in no room, not even in its own.
  if (state === "ended") return 0;
  const isIn = (room: string) => isMember(rooms.get(room), packet);
  const inside = to.rooms.length === 0 ? 1 : Math.max(...to.rooms.map(isIn));
  const outside = 1 - Math.max(0, ...to.except.map(isIn));
  const most = optional ? 0.5 : 1;
  return Math.min(inside, outside, most) as Verdict; // of these three
}

/**
 * A sender's packets come behind the changes that it made before, and ahead of later ones; those
 * that are not in the order of the others, only behind.
 */
function isMember(membership: Membership | undefined, { sender, n, loose }: Packet): Verdict {
  if (!membership) return 0;
  const { is, was, pending, unclear } = membership;
  const [change] = pending;
  if (unclear || change?.unsure || pending.size !== 1 || change?.after?.sender !== sender)
    return is;
  if (n < change.after.n) return loose ? is : was;
  return change.joined ? 1 : 0;
}

/** Returns what is wrong with an account: a hole, a double, an order, or somebody else's packet. */
function judge(
  { due, got, state }: Account,
  sent: ReadonlyMap<number, Sent>,
  doubted: ReadonlySet<number>,
): Omit<Fault, "sids"> | undefined {
  const seen = new Set<number>();
  const last = new Map<string, number>();
  for (const { n, loose } of got) {
    if (seen.has(n)) return { text: `got ${n} twice`, packets: [n] };
    seen.add(n);
    if (!due.has(n) && (sent.has(n) || !doubted.has(n))) {
      return { text: `got ${n}, which was not for it`, packets: [n] };
    }
    const { sender } = sent.get(n) ?? {};
    if (loose || sender === undefined) continue;
    const before = last.get(sender) ?? -1;
    if (n < before) return { text: `got ${n} after ${before}`, packets: [n, before] };
    last.set(sender, n);
  }
  for (const [n, { verdict }] of due) {
    if (verdict !== 1 || seen.has(n)) continue;
    const next = got.find((each) => each.n > n && isBehind(each.n, n, sent))?.n;
    if (next !== undefined) return { text: `got ${next} without ${n}`, packets: [next, n] };
    if (state === "here") return { text: `never got ${n}`, packets: [n] };
  }
  return undefined;
}

function isBehind(later: number, n: number, sent: ReadonlyMap<number, Sent>): boolean {
  const [one, other] = [sent.get(later), sent.get(n)];
  return one?.sender === other?.sender && !one?.loose && !other?.loose;
}
