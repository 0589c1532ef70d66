import {
  openPipe,
  type Pipe,
  type PipeSockets,
  type Pushed,
  type Read,
  type ToPrimary,
  type ToWorker,
} from "../worker-pipe.ts";
import type { PushedEntry } from "./carrier.ts";
import type { EntryId } from "./event-log.ts";
import { createRings, type Ring, type RingLimits, type RingSide } from "./ring.ts";

/** How much the primary keeps. */
export interface PrimaryLogLimits extends RingLimits {
  /** How long a log is kept that no worker has open. */
  readonly windowMs: number;
}

/** What else comes through the pipes of workers. */
export interface PrimarySessions {
  received(worker: string, part: SessionPart, answer: (value: unknown) => void): void;
  left(worker: string): void;
}

/** Commands of workers that wait for their time. */
export interface PrimaryDelays {
  joined(worker: string, send: (part: ToWorker) => void): void;
  received(worker: string, part: DelayPart, answer: (value: unknown) => void): void;
  left(worker: string): void;
}

/** What a worker says of commands that wait. */
export type DelayPart = Extract<ToPrimary, readonly ["delay" | "cancel" | "done", ...unknown[]]>;

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

/** How many bytes may wait for a worker, roughly, before it is no longer pushed to. */
const WAITING_BYTES_MAX = 8_388_608;

interface Worker {
  readonly name: string;
  readonly pipe: Pipe<ToWorker>;
  readonly seats: Map<number, Seat>;
  /** It does not read: it is pushed nothing, and what it asks waits in the pipe. */
  isBehind: boolean;
}

/** A worker's place in a log. */
interface Seat {
  readonly worker: Worker;
  /** The worker's own number of the log. */
  readonly number: number;
  readonly log: Log;
  readonly side: RingSide;
}

interface Log {
  readonly ring: Ring;
  readonly seats: Set<Seat>;
  timer?: NodeJS.Timeout | undefined;
}

/**
 * Keeps the logs of the namespaces of this machine's workers, and pushes entries to the workers
 * that have subscribed to one of their channels.
 *
 * A worker that does not read what is pushed is left out until it does. Then it begins anew: it
 * subscribes again and reads what it has missed.
 */
export function createPrimaryLogs(
  limits: PrimaryLogLimits,
  { sessions, delays }: { readonly sessions: PrimarySessions; readonly delays: PrimaryDelays },
): PrimaryLogs {
  const logs = new Map<string, Log>();
  const workers = new Set<Worker>();
  const createRing = createRings(limits);

  function openLog(namespace: string): Log {
    const known = logs.get(namespace);
    clearTimeout(known?.timer);
    if (known) return known;
    const log: Log = { ring: createRing(), seats: new Set() };
    logs.set(namespace, log);
    return log;
  }

  function open(worker: Worker, number: number, namespace: string): void {
    const log = openLog(namespace);
    const { pipe } = worker;
    const side = log.ring.join({
      node: worker.name,
      pushed(entry) {
        if (!worker.isBehind) pipe.send(["entry", number, pushedOf(entry)]);
      },
      told({ from, channel, body }) {
        if (!worker.isBehind) pipe.send(["told", number, from, channel, body]);
        return !worker.isBehind;
      },
    });
    const seat: Seat = { worker, number, log, side };
    log.seats.add(seat);
    worker.seats.set(number, seat);
  }

  function close(seat: Seat): void {
    const { log, worker, side } = seat;
    worker.seats.delete(seat.number);
    log.seats.delete(seat);
    side.leave();
    for (const { worker: other, number } of log.seats) {
      other.pipe.send(["left", number, worker.name]);
    }
    if (log.seats.size > 0) return;
    log.timer = setTimeout(() => {
      log.ring.clear();
      for (const [name, each] of logs) if (each === log) logs.delete(name);
    }, limits.windowMs).unref();
  }

  function handle(worker: Worker, part: ToPrimary): void {
    switch (part[0]) {
      case "open":
        open(worker, part[1], part[2]);
        break;
      case "keep":
      case "lose":
      case "drop":
      case "claim":
        sessions.received(worker.name, part, (value) => {
          if (part[0] === "claim") worker.pipe.send(["answer", part[1], value]);
        });
        break;
      case "delay":
      case "cancel":
      case "done": {
        const [, asked] = part;
        delays.received(worker.name, part, (value) => worker.pipe.send(["answer", asked, value]));
        break;
      }
      default: {
        const seat = worker.seats.get(part[1]);
        if (seat) handleOfLog(seat, part);
      }
    }
  }

  function handleOfLog(seat: Seat, part: OfLog): void {
    const { log, side, worker } = seat;
    switch (part[0]) {
      case "append": {
        const [, , n, channels, body] = part;
        confirm(seat, side.append({ n, channels, body }).id);
        break;
      }
      case "subscribe":
        side.subscribe(part[2]);
        break;
      case "unsubscribe":
        side.unsubscribe(part[2]);
        break;
      case "read": {
        const { entries, end, more, lost } = side.read(part[3] ?? undefined, part[4], part[5]);
        const read: Read = [entries.map(pushedOf), end.id, more, lost];
        worker.pipe.send(["answer", part[2], read]);
        break;
      }
      case "tell": {
        const [, , asked, channel, body] = part;
        const reached = side.tell({ n: 0, channels: [channel], body });
        worker.pipe.send(["answer", asked, reached]);
        break;
      }
      case "nodes":
        worker.pipe.send(["answer", part[2], log.ring.nodes()]);
        break;
      case "close":
        close(seat);
        break;
    }
  }

  /** Tells a worker the id of its next entry; of several in a row in one part. */
  function confirm({ worker: { pipe }, number }: Seat, id: EntryId): void {
    const last = pipe.last();
    if (last?.[0] === "own" && last[1] === number) last[2].push(id);
    else pipe.send(["own", number, [id]]);
  }

  function checkWaiting(worker: Worker): void {
    if (worker.isBehind || worker.pipe.waiting() <= WAITING_BYTES_MAX) return;
    worker.isBehind = true;
    worker.pipe.pause();
  }

  function beginAnew(worker: Worker): void {
    if (!worker.isBehind) return;
    worker.isBehind = false;
    for (const { side, number } of worker.seats.values()) {
      side.unsubscribe();
      worker.pipe.send(["reset", number]);
    }
    worker.pipe.resume();
  }

  return {
    join(name, sockets) {
      const pipe = openPipe<ToWorker, ToPrimary>(sockets, {
        received(parts) {
          for (const part of parts) handle(worker, part);
        },
        written: () => checkWaiting(worker),
        drained: () => beginAnew(worker),
        closed() {
          for (const seat of [...worker.seats.values()]) close(seat);
          workers.delete(worker);
          sessions.left(name);
          delays.left(name);
        },
      });
      const worker: Worker = { name, pipe, seats: new Map(), isBehind: false };
      workers.add(worker);
      delays.joined(name, pipe.send);
    },
    stop() {
      for (const { pipe } of workers) pipe.end();
      for (const { timer } of logs.values()) clearTimeout(timer);
    },
  };
}

type OfLog = Exclude<ToPrimary, SessionPart | DelayPart | readonly ["open", ...unknown[]]>;

function pushedOf({ id, from, n, channels, body }: PushedEntry): Pushed {
  return [id, from, n, channels, body];
}
