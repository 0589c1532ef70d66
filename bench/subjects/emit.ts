import type { createBodies, nowUs } from "../wire/marker.ts";
import type { CreditServer, Shape, Subject } from "./host.ts";

/** A saturated round: emit as fast as the slowest reader allows, until the time is over. */
export interface SaturateOptions {
  readonly shape: Shape;
  readonly firstSequence: number;
  readonly payloadBytes: number;
  /** Broadcasts per turn of the event loop. */
  readonly framesPerTurn: number;
  readonly durationMs: number;
  /** Messages that may be under way before the generator gives credit. */
  readonly window: number;
  /** Whether the handler of an event emits them, instead of a turn of the loop of their own. */
  readonly inHandler?: boolean;
}

/**
 * An open-loop round: message n is due at start + n / rate, whatever happened to the ones before.
 */
export interface PaceOptions {
  readonly shape: Shape;
  readonly firstSequence: number;
  readonly payloadBytes: number;
  readonly ratePerS: number;
  readonly durationMs: number;
  /** So many are due together, and so many a turn of the event loop at most; without it any. */
  readonly framesPerTurn?: number;
  /** Each of so many streams gets every sequence number, in turns; one by default. */
  readonly streams?: number;
}

/** What emitting took. */
export interface Emitted {
  readonly broadcasts: number;
  readonly lastSequence: number;
  readonly startedUs: number;
  readonly wallMs: number;
  /** Of which nothing was emitted because the slowest reader had given no credit. */
  readonly waitedMs: number;
  /** CPU of this process while it emitted, user and system. */
  readonly cpuS: number;
  /** How late messages were handed to the server, at worst and on average. */
  readonly lateUsMax: number;
  readonly lateUsMean: number;
}

interface Tools {
  readonly emit: Subject["emit"];
  readonly createBodies: typeof createBodies;
  readonly nowUs: typeof nowUs;
}

/** Calls a function in a later turn of the event loop. */
export type Later = (run: () => void) => void;

/**
 * Emits `framesPerTurn` broadcasts in every turn of the event loop, never more than the credit.
 * `inHandler` calls from a handler of the subject, for those who ask for that.
 * Returns when the time is over; what has been emitted may still be under way.
 */
export function emitSaturated(
  options: SaturateOptions,
  tools: Tools & { credit: CreditServer; inHandler?: Later | undefined },
): Promise<Emitted> {
  const { credit, emit, nowUs, inHandler } = tools;
  const body = tools.createBodies(options.payloadBytes);
  credit.allowed = options.window;
  const meter = createMeter(nowUs);
  let sent = 0;
  let isWaiting = false;
  let waitingSinceUs = 0;
  let waitedUs = 0;
  return new Promise((resolve) => {
    const turn = () => {
      if (isOver()) return;
      if (sent + options.framesPerTurn > credit.allowed) {
        isWaiting = true;
        waitingSinceUs = nowUs();
        return;
      }
      const startUs = nowUs();
      for (let i = 0; i < options.framesPerTurn; i++)
        emit(options.shape, body(options.firstSequence + sent++, startUs));
      next(turn);
    };
    const next = inHandler ?? setImmediate;
    const isOver = () => {
      if (nowUs() - meter.startedUs < options.durationMs * 1000) return false;
      finish();
      return true;
    };
    const finish = () => {
      clearTimeout(timer);
      credit.onRise = undefined;
      if (isWaiting) waitedUs += nowUs() - waitingSinceUs;
      resolve({ ...meter.read(sent, options.firstSequence), waitedMs: waitedUs / 1000 });
    };
    // A reader that lost messages gives no more credit: the time ends the round all the same.
    const timer = setTimeout(() => isWaiting && finish(), options.durationMs + 1);
    credit.onRise = () => {
      if (!isWaiting) return;
      isWaiting = false;
      waitedUs += nowUs() - waitingSinceUs;
      now(turn);
    };
    const now: Later = inHandler ?? ((run) => run());
    now(turn);
  });
}

/** Emits every message when it is due, late ones at once, each stamped with its scheduled time. */
export function emitOnSchedule(options: PaceOptions, tools: Tools): Promise<Emitted> {
  const { emit, nowUs } = tools;
  const { framesPerTurn, streams = 1 } = options;
  const body = tools.createBodies(options.payloadBytes);
  const each = Math.max(1, Math.floor((options.ratePerS * options.durationMs) / 1000 / streams));
  const total = each * streams;
  const gapUs = 1e6 / options.ratePerS;
  const meter = createMeter(nowUs);
  let sent = 0;
  let lateSum = 0;
  let lateMax = 0;
  return new Promise((resolve) => {
    const turn = () => {
      const now = nowUs();
      const most = sent + (framesPerTurn ?? total);
      while (sent < Math.min(total, most)) {
        const due = meter.startedUs + (sent - (sent % (framesPerTurn ?? 1))) * gapUs;
        if (due > now) break;
        lateSum += now - due;
        lateMax = Math.max(lateMax, now - due);
        emit(options.shape, body(options.firstSequence + Math.floor(sent++ / streams), due));
      }
      // Who is late has the next turn at once, and no more in it than anyone.
      if (sent < total) return void (sent === most ? setImmediate(turn) : setTimeout(turn, 1));
      const late = { lateUsMax: lateMax, lateUsMean: lateSum / sent };
      const lastSequence = options.firstSequence + each - 1;
      resolve({ ...meter.read(sent, options.firstSequence), lastSequence, ...late });
    };
    turn();
  });
}

function createMeter(now: typeof nowUs) {
  const startedUs = now();
  const cpu = process.cpuUsage();
  return {
    startedUs,
    read(broadcasts: number, first: number): Emitted {
      const { user, system } = process.cpuUsage(cpu);
      return {
        broadcasts,
        lastSequence: first + broadcasts - 1,
        startedUs,
        wallMs: (now() - startedUs) / 1000,
        cpuS: (user + system) / 1e6,
        waitedMs: 0,
        lateUsMax: 0,
        lateUsMean: 0,
      };
    },
  };
}
