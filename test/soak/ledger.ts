/** What each session must have received, kept beside the server by plain rules. */

/** One packet of a session's account. */
interface Due {
  readonly n: number;
  /** May be missing: volatile, or sent for an ack, which recovery does not keep. */
  readonly optional: boolean;
}

interface Account {
  readonly due: Due[];
  readonly got: number[];
  readonly rooms: Set<string>;
  /** Whether the session has a connection, as the server sees it. */
  present: boolean;
}

/** Who a packet is for; no rooms are everyone. */
export interface Recipients {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
}

/** The accounts of all sessions, by socket id. */
export interface Ledger {
  /** A new session, which is in its own room. */
  open(sid: string): void;
  /** A lost session has a connection again; false for one that is not known. */
  resume(sid: string): boolean;
  /** The connection is gone; the session lives on when it can be resumed. */
  lose(sid: string, resumable: boolean): void;
  join(sid: string, room: string): void;
  leave(sid: string, room: string): void;
  /** Whoever is in one of these rooms leaves `room`, also while its connection is lost. */
  kick(of: readonly string[], room: string): void;
  roomsOf(sid: string): ReadonlySet<string>;
  /** Writes a packet down for each of its recipients; returns how many there are. */
  send(packet: Due, to: Recipients): number;
  receive(sid: string, n: number): void;
  /** Whether the last packet that a session got is this one. */
  hasLast(sid: string, n: number): boolean;
  /**
   * Returns what is wrong, in words, and begins anew with those that are present. Who is present
   * must have all that was due; who is gone, all up to some moment.
   */
  settle(): string[];
}

/** Returns a ledger without sessions. */
export function createLedger(): Ledger {
  const accounts = new Map<string, Account>();

  function of(sid: string): Account {
    const account = accounts.get(sid);
    if (!account) throw new Error(`no session ${sid}`);
    return account;
  }

  function isFor(account: Account, { rooms, except }: Recipients): boolean {
    if (except.some((room) => account.rooms.has(room))) return false;
    return rooms.length === 0 || rooms.some((room) => account.rooms.has(room));
  }

  return {
    open(sid) {
      accounts.set(sid, { due: [], got: [], rooms: new Set([sid]), present: true });
    },
    resume(sid) {
      const account = accounts.get(sid);
      if (account) account.present = true;
      return account !== undefined;
    },
    lose(sid, resumable) {
      const account = of(sid);
      account.present = false;
      if (!resumable) account.rooms.clear();
    },
    join: (sid, room) => void of(sid).rooms.add(room),
    leave: (sid, room) => void of(sid).rooms.delete(room),
    kick(from, room) {
      for (const account of accounts.values()) {
        if (isFor(account, { rooms: from, except: [] })) account.rooms.delete(room);
      }
    },
    roomsOf: (sid) => of(sid).rooms,
    send(packet, to) {
      let count = 0;
      for (const account of accounts.values()) {
        // A session that ended for good is in no room, not even in its own.
        if (account.rooms.size === 0 || !isFor(account, to)) continue;
        account.due.push(packet);
        count++;
      }
      return count;
    },
    receive: (sid, n) => void accounts.get(sid)?.got.push(n),
    hasLast: (sid, n) => accounts.get(sid)?.got.at(-1) === n,
    settle() {
      const wrong: string[] = [];
      for (const [sid, account] of accounts) {
        const fault = judge(account);
        if (fault !== undefined) wrong.push(`${sid}: ${fault}`);
        account.due.length = 0;
        account.got.length = 0;
        if (!account.present) accounts.delete(sid);
      }
      return wrong;
    },
  };
}

/** Returns what is wrong with an account: a hole, a double, an order, or somebody else's packet. */
function judge({ due, got, present }: Account): string | undefined {
  let at = 0;
  for (const n of got) {
    const from = at;
    while (at < due.length && due[at]?.n !== n && due[at]?.optional) at++;
    if (due[at]?.n === n) {
      at++;
      continue;
    }
    const missing = due[at]?.n;
    if (!due.some((each) => each.n === n)) return `got ${n}, which was not for it`;
    if (due.slice(0, from).some((each) => each.n === n)) return `got ${n} twice or late`;
    return `got ${n} without ${missing}`;
  }
  const rest = due.slice(at).find(({ optional }) => !optional);
  if (present && rest) return `never got ${rest.n}`;
  return undefined;
}
