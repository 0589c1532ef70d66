/**
 * Where in the stream a node's clients are.
 *
 * A node delivers its own broadcasts as soon as the stream has them, and those of others when its
 * reader brings them: of two messages the later may come first. So "everything up to this message"
 * is not what a client has got, and an offset of one id would skip a message or bring it twice.
 */

/** A place in the stream, as the offset of a packet says it. */
export interface Point {
  /** Everything that is missing is after this message. */
  readonly from: string;
  /** Whether the stream has the packet that carried the offset. */
  readonly kept: boolean;
  /**
   * Whether a message was delivered before the packet that carried the offset, or is that packet.
   */
  has(id: string, uid: string): boolean;
}

/** The broadcasts that one adapter of this node publishes. */
export interface Publisher {
  /** A broadcast is on its way to the stream. */
  begin(): void;
  /** It is about to be delivered here; its id is empty when the stream did not get it. */
  end(id: string): void;
  /** The reader came by a message of this publisher. To be called before `readTo`. */
  seen(id: string): void;
  /** The offset of the packet that is delivered now. */
  offset(): string;
  /** Resolves when all up to this message has been delivered here; with false if not in time. */
  reaches(id: string, withinMs: number): Promise<boolean>;
}

/** How far this node's reader is. */
export interface Position {
  /** All messages of others up to this one have been delivered here, or this one is about to be. */
  readTo(id: string): void;
  /**
   * Messages were lost: what comes after this one is read next, whatever had been published before.
   */
  restart(id: string): void;
  publisher(uid: string): Publisher;
  /** The last message that was read. */
  here(): string;
  /**
   * Whether a publisher that had read up to `at` may have published what comes now: {@link
   * isRecent}.
   */
  isRecent(at: unknown, id?: string): boolean;
}

/** How far behind a node that publishes may be, in milliseconds of Redis' clock. */
const BEHIND_MS = 60_000;

/**
 * Whether a publisher that had read up to `at` may have published the message after `before`. What
 * was said long ago and comes again says so itself. A publisher that had read nothing is believed:
 * it may be starting.
 */
export function isRecent(at: unknown, before: string): boolean {
  if (at === NOWHERE) return true;
  return typeof at === "string" && split(at)[0] >= split(before)[0] - BEHIND_MS;
}

const NOWHERE = "0-0";
/** Characters of a publisher's id in an offset. */
const TAG_CHARS = 6;
const POINT = /^(\d{1,16})-(\d{1,16})(?:\.(-?\d{1,16})-(\d{1,16})\.([0-9a-f]{6}))?(\.away)?$/;

/** Returns the offset of a packet that the stream does not have, delivered at a place in it. */
export function unkept(offset: string): string {
  return `${offset}.away`;
}

/** Compares two ids of a stream. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const [ms, seq] = split(a);
  const [otherMs, otherSeq] = split(b);
  return ms - otherMs || seq - otherSeq;
}

/** Returns the place an offset names, or undefined for what no node of ours has written. */
export function readPoint(offset: string): Point | undefined {
  const [, ms, seq, more, ownSeq, tag, mark] = offset.match(POINT) ?? [];
  if (ms === undefined || seq === undefined) return undefined;
  const read = `${ms}-${seq}`;
  const kept = mark === undefined;
  if (tag === undefined) return { from: read, kept, has: (id) => compareIds(id, read) <= 0 };
  const ownMs = Number(ms) + Number(more);
  // Anybody can write an offset, and Redis refuses to look for such a place.
  if (ownMs < 0) return undefined;
  const own = `${ownMs}-${ownSeq}`;
  return {
    from: first(read, own),
    kept,
    has: (id, uid) => compareIds(id, uid.startsWith(tag) ? own : read) <= 0,
  };
}

/** Returns the position of a node that has joined where the stream ended. */
export function createPosition(): Position {
  let read = NOWHERE;
  let before = read;
  let restarts = 0;
  let restartedAt = read;
  const waiting = new Set<() => void>();

  function wake(): void {
    for (const look of waiting) look();
  }

  function publisher(uid: string): Publisher {
    const tag = uid.slice(0, TAG_CHARS);
    /** All of its own up to here have been delivered. */
    let own = read;
    /** Its newest one that the reader came by. */
    let found = read;
    let pending = 0;
    let known = restarts;

    function follow(): void {
      if (known === restarts) return;
      known = restarts;
      own = restartedAt;
      found = restartedAt;
    }

    function settle(): void {
      follow();
      if (compareIds(found, own) <= 0) own = last(own, read);
      // Published, though Redis went away before it said so: delivered without an id.
      else if (pending === 0) own = last(found, read);
    }

    return {
      begin() {
        pending++;
      },
      end(id) {
        pending--;
        follow();
        if (id !== "") own = last(own, id);
        settle();
        wake();
      },
      seen(id) {
        settle();
        found = id;
      },
      offset() {
        settle();
        if (own === read) return read;
        const [ms] = split(read);
        const [ownMs, ownSeq] = split(own);
        return `${read}.${ownMs - ms}-${ownSeq}.${tag}`;
      },
      reaches(id, withinMs) {
        return new Promise((resolve) => {
          const look = (late?: boolean) => {
            settle();
            const there = compareIds(read, id) >= 0 && compareIds(own, found) >= 0;
            if (!there && !late) return;
            waiting.delete(look);
            clearTimeout(timer);
            resolve(there);
          };
          const timer = setTimeout(look, withinMs, true);
          waiting.add(look);
          look();
        });
      },
    };
  }

  return {
    readTo(id) {
      if (id !== read) before = read;
      read = id;
      if (waiting.size > 0) wake();
    },
    restart(id) {
      restarts++;
      restartedAt = id;
      read = id;
      wake();
    },
    publisher,
    here: () => read,
    isRecent: (at, id) => isRecent(at, id === read ? before : read),
  };
}

function split(id: string): [number, number] {
  const at = id.indexOf("-");
  return [Number(id.slice(0, at)), Number(id.slice(at + 1))];
}

function last(a: string, b: string): string {
  return compareIds(a, b) < 0 ? b : a;
}

function first(a: string, b: string): string {
  return compareIds(a, b) < 0 ? a : b;
}
