import { compareIds, type EntryId } from "./event-log.ts";
import { createKeptLogs, ENTRY_BYTES, type KeptLimits, type KeptLog } from "./event-log-kept.ts";
import {
  comesAfter,
  openPipe,
  type Pipe,
  type PipeSockets,
  type Pushed,
  type ToPrimary,
  type ToWorker,
} from "./worker-pipe.ts";

/** How much the primary keeps. */
export interface PrimaryLogLimits extends KeptLimits {
  /** How long a log is kept that no worker has open. */
  readonly windowMs: number;
}

/** What else comes through the pipes of workers. */
export interface PrimarySessions {
  received(worker: string, part: SessionPart, answer: (value: unknown) => void): void;
  left(worker: string): void;
}

/** What a worker says of sessions. */
export type SessionPart = Extract<
  ToPrimary,
  readonly ["keep" | "lose" | "drop" | "claim", ...unknown[]]
>;

/** The logs of all namespaces, in the primary. */
export interface PrimaryLogs {
  /** Connects a worker by its pipe, under a name that no other has or had. */
  join(worker: string, sockets: PipeSockets): void;
  stop(): void;
}

/**
 * How long a worker may still hear entries alone after the last word from its primary. So long may
 * a worker with a blocked event loop keep others waiting for a room.
 */
export const LEASE_MS = 250;
/** How much sooner the worker itself ends it: what it checks first is written soon after. */
export const LEASE_MARGIN_MS = 50;

/** How many bytes may wait for a worker, roughly, before it is no longer pushed to. */
const WAITING_BYTES_MAX = 8_388_608;
/** How much is written at once to a worker that catches up. */
const CATCH_UP_BYTES = 1_048_576;
interface Worker {
  readonly name: string;
  readonly pipe: Pipe<ToWorker>;
  readonly seats: Map<number, Seat>;
  /** What it was asked to share, and has not yet, by the numbers of the questions. */
  readonly late: Map<number, Late>;
  /** What to do when it has taken what waits for it. Undefined while it keeps up. */
  behind: (() => void)[] | undefined;
}

/** A worker's place in a log. */
interface Seat {
  readonly worker: Worker;
  /** The worker's own number of the log. */
  readonly number: number;
  readonly log: Log;
  /** By which subscription it has each. */
  readonly channels: Map<string, number>;
  /** Channels of which it has been told that it alone has subscribed to them. */
  readonly alone: Set<string>;
  /** How often it was told to stop that, and has not answered yet. */
  readonly sharing: Map<string, number>;
  /** Whether it has been told so of any. */
  wasAlone: boolean;
  readonly pending: Set<Subscription>;
  /** The last entry that was pushed to it, or while it is behind, the next one to be pushed. */
  pushed: number;
}

/** Channels that a worker has asked for, and waits for. */
interface Subscription {
  readonly channels: Set<string>;
  readonly after: EntryId | number;
}

/** Channels that `seat` is pushed by now, though `from` may have heard entries of them alone. */
interface Late {
  readonly from: Seat;
  readonly channels: readonly string[];
  readonly seat: Seat;
  readonly after: EntryId | number;
  isLost: boolean;
}

interface Log {
  readonly seats: Set<Seat>;
  readonly subscribed: Map<string, Set<Seat>>;
  readonly kept: KeptLog;
  timer?: NodeJS.Timeout | undefined;
}

/**
 * Keeps the logs of the namespaces of this machine's workers, and pushes entries to the workers
 * that have subscribed to one of their channels.
 *
 * A worker that has subscribed to a channel alone is told so. It then gives its own entries for it
 * an id itself, between those that it has heard, and hears them without waiting for the primary:
 * no other clients see their order. Before another worker's subscription stands, it is told to
 * stop; and if it does not answer, it stops by itself {@link LEASE_MS} after the last word to it.
 * What it heard until then may come too late for the other, which is then told that it lost some.
 */
export function createPrimaryLogs(
  limits: PrimaryLogLimits,
  sessions: PrimarySessions,
): PrimaryLogs {
  const logs = new Map<string, Log>();
  const workers = new Set<Worker>();
  const waits = new Map<number, (worker: Worker, isLossy: boolean) => void>();
  let lastAsked = 0;
  // Later than the ids of a primary before this one, for clients that come with theirs.
  let counter = Date.now();
  const openKept = createKeptLogs(limits);

  const nextId = (): EntryId => `${++counter}-0`;

  function openLog(namespace: string): Log {
    const known = logs.get(namespace);
    clearTimeout(known?.timer);
    if (known) return known;
    const kept = openKept(`${counter}-0`);
    const log: Log = { seats: new Set(), subscribed: new Map(), kept };
    logs.set(namespace, log);
    return log;
  }

  function append(seat: Seat, entry: Pushed): void {
    const { log } = seat;
    log.kept.keep(entry, false);
    const index = log.kept.next();
    for (const channel of entry[3]) {
      for (const each of log.subscribed.get(channel) ?? []) {
        if (each.worker.behind || each.pushed === index) continue;
        each.pushed = index;
        if (each !== seat) each.worker.pipe.send(["entry", each.number, entry]);
      }
    }
    if (!seat.worker.behind) {
      seat.worker.pipe.send(["own", seat.number, entry[2], entry[0], seat.pushed === index]);
    }
  }

  /**
   * Calls `then` when these workers have answered, are gone, or hear nothing alone any more, with
   * those that have not answered, and whether one said that entries are gone.
   */
  function ask(
    asked: ReadonlySet<Seat>,
    word: (seat: Seat, asked: number) => ToWorker,
    then: (number: number, late: ReadonlySet<Worker>, isLossy: boolean) => void,
  ): void {
    const number = ++lastAsked;
    const left = new Set([...asked].map(({ worker }) => worker));
    if (left.size === 0) {
      then(number, left, false);
      return;
    }
    let isLossy = false;
    const finish = () => {
      clearTimeout(timer);
      if (waits.delete(number)) then(number, left, isLossy);
    };
    // After what has come meanwhile was read, or a pause of this process would look like theirs.
    const timer = setTimeout(() => setImmediate(finish), LEASE_MS);
    waits.set(number, (worker, isGone) => {
      isLossy ||= isGone;
      if (left.delete(worker) && left.size === 0) finish();
    });
    for (const seat of asked) seat.worker.pipe.send(word(seat, number));
  }

  function subscribe(seat: Seat, asked: number, pending: Subscription): void {
    const { log } = seat;
    seat.pending.add(pending);
    const sharing = new Map<Seat, string[]>();
    for (const channel of pending.channels) {
      for (const other of log.subscribed.get(channel) ?? []) {
        if (other === seat) continue;
        // Who subscribes while it has not answered another must not come before that answer either.
        if (!other.alone.delete(channel) && !other.sharing.has(channel)) continue;
        const shared = sharing.get(other);
        if (shared) shared.push(channel);
        else sharing.set(other, [channel]);
      }
    }
    const share = (each: Seat, number: number): ToWorker => {
      return ["share", each.number, number, sharing.get(each) ?? [], pending.after];
    };
    for (const [each, names] of sharing) countSharing(each, names, 1);
    ask(new Set(sharing.keys()), share, (number, late, isLossy) => {
      const { after } = pending;
      for (const [from, channels] of sharing) {
        if (!late.has(from.worker)) countSharing(from, channels, -1);
        else from.worker.late.set(number, { from, channels, seat, after, isLost: false });
      }
      whenUpToDate(seat.worker, () => stand(seat, asked, pending, isLossy));
    });
  }

  /** From now on the worker is pushed the entries for these channels; it is sent what it missed. */
  function stand(seat: Seat, asked: number, pending: Subscription, isLossy: boolean): void {
    const { log, worker, number } = seat;
    // It may have gone meanwhile.
    if (!seat.pending.delete(pending)) return;
    const { channels, after } = pending;
    const alone: string[] = [];
    for (const channel of channels) {
      seat.channels.set(channel, asked);
      const set = log.subscribed.get(channel);
      if (set) set.add(seat);
      else log.subscribed.set(channel, new Set([seat]));
      if (findAlone(log, channel)) alone.push(channel);
    }
    for (const channel of alone) seat.alone.add(channel);
    seat.wasAlone ||= alone.length > 0;
    const isWanted = (entry: Pushed) => entry[3].some((channel) => channels.has(channel));
    const isThere = !isLossy && log.kept.goesBackTo(after);
    if (!isThere) worker.pipe.send(["lost", number, log.kept.end]);
    const missed = isThere ? log.kept.listAfter(after, isWanted) : [];
    worker.pipe.send(["subscribed", number, asked, missed, log.kept.end, alone]);
  }

  /** Keeps what a worker heard alone, and tells those for whom it comes too late. */
  function keep(from: Seat, entry: Pushed, at: number): void {
    from.log.kept.keep(entry, true);
    for (const late of from.worker.late.values()) {
      const { seat, channels, after } = late;
      if (late.from !== from || !comesAfter(entry[0], at, after)) continue;
      // While its subscription does not stand, nothing is too late.
      const isMissed = (name: string) => seat.channels.has(name) && channels.includes(name);
      if (entry[3].some(isMissed)) lose(late);
    }
  }

  function lose(late: Late): void {
    if (late.isLost) return;
    late.isLost = true;
    const { worker, number, log } = late.seat;
    whenUpToDate(worker, () => worker.pipe.send(["lost", number, log.kept.end]));
  }

  function answered(worker: Worker, number: number, isLossy: boolean): void {
    waits.get(number)?.(worker, isLossy);
    const late = worker.late.get(number);
    worker.late.delete(number);
    if (!late) return;
    countSharing(late.from, late.channels, -1);
    if (isLossy) lose(late);
  }

  function unsubscribe(seat: Seat, channels: Iterable<string>): void {
    for (const channel of channels) {
      for (const { channels } of seat.pending) channels.delete(channel);
      seat.alone.delete(channel);
      if (!seat.channels.delete(channel)) continue;
      const set = seat.log.subscribed.get(channel);
      set?.delete(seat);
      if (set?.size === 0) seat.log.subscribed.delete(channel);
      const last = findAlone(seat.log, channel);
      if (!last) continue;
      whenUpToDate(last.worker, () => {
        if (findAlone(last.log, channel) !== last) return;
        last.alone.add(channel);
        last.wasAlone = true;
        last.worker.pipe.send(["alone", last.number, last.channels.get(channel) ?? 0, [channel]]);
      });
    }
  }

  /** Answers with all entries after an id. What is appended from then on gets a later id. */
  function read(seat: Seat, asked: number, after: EntryId): void {
    const { log, worker } = seat;
    const end = nextId();
    log.kept.end = end;
    // Those too whose answer to `share` is on its way.
    const mayBeAlone = new Set([...log.seats].filter(({ wasAlone }) => wasAlone));
    ask(
      mayBeAlone,
      (each, number) => ["tick", each.number, number, end],
      () => {
        const isWanted = ([id]: Pushed) => compareIds(id, end) <= 0;
        const entries = log.kept.goesBackTo(after)
          ? log.kept.listAfter(after, isWanted)
          : undefined;
        worker.pipe.send(["answer", asked, entries && [entries, end]]);
      },
    );
    for (const { worker, number } of mayBeAlone) {
      whenUpToDate(worker, () => worker.pipe.send(["place", number, end]));
    }
  }

  function tell(seat: Seat, asked: number, channel: string, body: Uint8Array): void {
    let reached = 0;
    const { subscribed, kept } = seat.log;
    for (const { worker, number } of subscribed.get(channel) ?? []) {
      if (worker.behind) continue;
      reached++;
      worker.pipe.send(["told", number, seat.worker.name, body, kept.end]);
    }
    seat.worker.pipe.send(["answer", asked, reached]);
  }

  function close(seat: Seat): void {
    const { log, worker, number } = seat;
    worker.seats.delete(number);
    log.seats.delete(seat);
    seat.pending.clear();
    // A closed log answers nothing.
    for (const [asked, { from }] of worker.late) if (from === seat) worker.late.delete(asked);
    unsubscribe(seat, [...seat.channels.keys()]);
    for (const each of log.seats) {
      whenUpToDate(each.worker, () => each.worker.pipe.send(["left", each.number, worker.name]));
    }
    if (log.seats.size > 0) return;
    log.timer = setTimeout(() => {
      log.kept.clear();
      for (const [name, each] of logs) if (each === log) logs.delete(name);
    }, limits.windowMs).unref();
  }

  function open(worker: Worker, number: number, namespace: string): void {
    const log = openLog(namespace);
    const seat: Seat = {
      ...{ worker, number, log, channels: new Map(), alone: new Set(), pending: new Set() },
      ...{ sharing: new Map(), wasAlone: false, pushed: 0 },
    };
    log.seats.add(seat);
    worker.seats.set(number, seat);
    worker.pipe.send(["place", number, log.kept.end]);
  }

  function handle(worker: Worker, part: ToPrimary): void {
    switch (part[0]) {
      case "open":
        open(worker, part[1], part[2]);
        break;
      case "hello":
        worker.pipe.send(["answer", 0, undefined]);
        break;
      case "done":
        answered(worker, part[1], part[2]);
        break;
      case "keep":
      case "lose":
      case "drop":
      case "claim":
        sessions.received(worker.name, part, (value) => {
          if (part[0] === "claim") worker.pipe.send(["answer", part[1], value]);
        });
        break;
      default: {
        const seat = worker.seats.get(part[1]);
        if (seat) handleOfLog(seat, part);
      }
    }
  }

  function handleOfLog(seat: Seat, part: OfLog): void {
    const { log, worker } = seat;
    switch (part[0]) {
      case "append":
        append(seat, [nextId(), worker.name, part[2], part[3], part[4]]);
        break;
      case "kept":
        keep(seat, part[2], part[3]);
        break;
      case "subscribe":
        subscribe(seat, part[2], { channels: new Set(part[3]), after: part[4] });
        break;
      case "unsubscribe":
        unsubscribe(seat, part[2]);
        break;
      case "read":
        read(seat, part[2], part[3]);
        break;
      case "tell":
        tell(seat, part[2], part[3], part[4]);
        break;
      case "nodes":
        worker.pipe.send(["answer", part[2], log.seats.size]);
        break;
      case "end":
        worker.pipe.send(["place", seat.number, log.kept.end]);
        break;
      case "close":
        close(seat);
        break;
    }
  }

  function checkWaiting(worker: Worker): void {
    if (worker.behind || worker.pipe.waiting() <= WAITING_BYTES_MAX) return;
    worker.behind = [];
    // What it asks waits as well, in the pipe.
    worker.pipe.pause();
    for (const seat of worker.seats.values()) seat.pushed = seat.log.kept.next();
  }

  /** Pushes what a worker that was behind has missed, as fast as it takes it. */
  function catchUp(worker: Worker): void {
    if (!worker.behind) return;
    for (const seat of worker.seats.values()) {
      if (!pushMissed(seat)) return;
    }
    const todo = worker.behind;
    worker.behind = undefined;
    for (const each of todo) whenUpToDate(worker, each);
    if (!worker.behind) worker.pipe.resume();
  }

  /** Returns whether the worker can take more. */
  function pushMissed(seat: Seat): boolean {
    const { log, worker, number } = seat;
    if (seat.pushed < log.kept.first()) {
      worker.pipe.add(["lost", number, log.kept.end]);
      seat.pushed = log.kept.next();
    }
    let added = 0;
    while (seat.pushed < log.kept.next()) {
      const { entry, wasAlone } = log.kept.read(seat.pushed++);
      if (wasAlone) continue;
      const [id, from, n, channels, body] = entry;
      const hears = channels.some((channel) => seat.channels.has(channel));
      if (from === worker.name) worker.pipe.add(["own", number, n, id, hears]);
      else if (hears) worker.pipe.add(["entry", number, entry]);
      else continue;
      added += body.length + ENTRY_BYTES;
      if (added < CATCH_UP_BYTES) continue;
      added = 0;
      worker.pipe.flush();
      if (worker.pipe.waiting() > WAITING_BYTES_MAX) return false;
    }
    worker.pipe.flush();
    return worker.pipe.waiting() <= WAITING_BYTES_MAX;
  }

  return {
    join(name, sockets) {
      const pipe = openPipe<ToWorker, ToPrimary>(sockets, {
        received(parts) {
          for (const part of parts) {
            if (worker.behind) worker.behind.push(() => handle(worker, part));
            else handle(worker, part);
          }
        },
        written: () => checkWaiting(worker),
        drained: () => catchUp(worker),
        closed() {
          // What it had sent before is done all the same, though nobody takes the answers.
          const todo = worker.behind ?? [];
          worker.behind = undefined;
          for (const each of todo) each();
          for (const seat of [...worker.seats.values()]) close(seat);
          for (const done of [...waits.values()]) done(worker, false);
          workers.delete(worker);
          sessions.left(name);
        },
      });
      const worker: Worker = { name, pipe, seats: new Map(), late: new Map(), behind: undefined };
      workers.add(worker);
    },
    stop() {
      for (const { pipe } of workers) pipe.end();
      for (const { timer } of logs.values()) clearTimeout(timer);
    },
  };
}

type OfLog = Exclude<ToPrimary, SessionPart | readonly ["open" | "hello" | "done", ...unknown[]]>;

function countSharing({ sharing }: Seat, channels: readonly string[], more: 1 | -1): void {
  for (const channel of channels) {
    const count = (sharing.get(channel) ?? 0) + more;
    if (count > 0) sharing.set(channel, count);
    else sharing.delete(channel);
  }
}

function whenUpToDate(worker: Worker, call: () => void): void {
  if (worker.behind) worker.behind.push(call);
  else call();
}

/** Returns the one worker that has subscribed to a channel, if no other is about to. */
function findAlone(log: Log, channel: string): Seat | undefined {
  const set = log.subscribed.get(channel);
  if (set?.size !== 1) return undefined;
  for (const { pending } of log.seats) {
    for (const { channels } of pending) if (channels.has(channel)) return undefined;
  }
  const [seat] = set;
  return seat;
}
