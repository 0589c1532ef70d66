import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { isSoon } from "../core/within.ts";
import { type Bus, EVERYONE, type LogListener, nodeChannel } from "./event-log.ts";
import { type BusSamples, createSamples } from "./event-log-carrier.ts";
import { LEASE_MARGIN_MS, LEASE_MS } from "./event-log-primary.ts";
import { createWorkerLog, gone, late, type WorkerLog } from "./event-log-worker.ts";
import {
  openPipe,
  type PipeSockets,
  sharedNow,
  type ToPrimary,
  type ToWorker,
} from "./worker-pipe.ts";

/** The bus of a worker. */
export interface WorkerBus extends Bus {
  samples(): BusSamples;
  /** Sends the primary a part that is of no log. */
  send(part: ToPrimary): void;
  /** Sends the primary a question with a number, and resolves with the answer. */
  ask(question: (asked: number) => ToPrimary): Promise<unknown>;
}

/** What the bus of a worker needs. */
export interface WorkerBusNeeds {
  /** The worker's name and number, which no other worker of this primary has or had. */
  readonly node: string;
  readonly number: number;
  readonly settings: Pick<Settings["cluster"], "timeoutMs" | "pendingMax" | "messageBytesMax">;
  /**
   * Whether the primary must have an entry before clients may: they could come back to another
   * worker. Without, it gets what nobody else hears only if somebody could have missed it.
   */
  readonly recovers: boolean;
  readonly log: Log;
}

interface Question {
  readonly at: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Returns the bus of a worker, over its pipe to the primary. */
export function joinPrimaryLogs(sockets: PipeSockets, needs: WorkerBusNeeds): WorkerBus {
  const { node, settings, log: write } = needs;
  const { timeoutMs } = settings;
  const samples = createSamples();
  samples.here = 1;
  const logs = new Map<number, WorkerLog<never>>();
  const questions = new Map<number, Question>();
  let lastLog = 0;
  let lastAsked = 0;
  let planned = false;
  let closed = false;
  /** When the primary sent what has come last. */
  let heardAt = 0;
  let greetedAt = 0;

  const pipe = openPipe<ToPrimary, ToWorker>(sockets, {
    received(parts, sentAt) {
      heardAt = sentAt;
      for (const part of parts) {
        if (part[0] === "answer") settle(part[1], part[2]);
        else logs.get(part[1])?.received(part);
      }
    },
    closed() {
      // Its primary is gone, and so will be this process.
      closed = true;
      samples.here = 0;
      clearInterval(timer);
      for (const log of logs.values()) log.fail(Number.POSITIVE_INFINITY);
      for (const { reject } of questions.values()) reject(gone());
      questions.clear();
    },
  });

  function settle(asked: number, value: unknown): void {
    questions.get(asked)?.resolve(value);
    questions.delete(asked);
  }

  function ask(question: (asked: number) => ToPrimary): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (closed) {
        reject(gone());
        return;
      }
      const asked = ++lastAsked;
      questions.set(asked, { at: sharedNow(), resolve, reject });
      pipe.send(question(asked));
    });
  }

  function threw(error: unknown): void {
    samples.errors++;
    const why = error instanceof Error ? error.stack : String(error);
    write("error", { room: "cluster", why }, "what came from another worker failed here");
  }

  /** At the end of a turn of the event loop, sends what it appended. */
  function plan(): void {
    if (planned) return;
    planned = true;
    setImmediate(() => {
      planned = false;
      const leftMs = heardAt + LEASE_MS - LEASE_MARGIN_MS - sharedNow();
      for (const log of logs.values()) log.hand(leftMs > 0);
      // What nobody else hears is not answered: ask for a word before the time is over.
      if (leftMs > 0 && leftMs < LEASE_MS / 2 && greetedAt !== heardAt) {
        greetedAt = heardAt;
        pipe.send(["hello"]);
      }
      pipe.flush();
      // If this process is killed, clients must not have got what the primary has not.
      pipe.whenSafe(() => {
        for (const log of logs.values()) log.deliver();
      });
    });
  }

  /** Gives up what has waited for too long. */
  function look(): void {
    const before = sharedNow() - timeoutMs;
    for (const log of logs.values()) log.fail(before);
    for (const [asked, { at, reject }] of questions) {
      if (at >= before) break;
      questions.delete(asked);
      reject(late());
    }
    for (const log of logs.values()) log.leave();
  }

  // After what has come meanwhile was read, or a pause of this process would look like one of the
  // primary's.
  const timer = setInterval(() => setImmediate(look), Math.min(500, timeoutMs / 4)).unref();

  return {
    node,
    samples: () => samples,
    send: (part) => pipe.send(part),
    ask,
    open<Own>(namespace: string, listener: LogListener<Own>) {
      const number = ++lastLog;
      const closeLog = () => void logs.delete(number);
      const { number: worker, recovers } = needs;
      const within = { number, node, worker, recovers, settings, samples, pipe, ask, plan };
      const log = createWorkerLog(listener, { ...within, threw, closeLog, isGone: () => closed });
      // Own entries come back to the log that appended them.
      logs.set(number, log as unknown as WorkerLog<never>);
      pipe.send(["open", number, namespace]);
      void log.subscribe([EVERYONE, nodeChannel(node)]);
      return log;
    },
    async settle(ms) {
      await isSoon(() => [...logs.values()].every((log) => log.isSettled()), ms);
      for (const log of logs.values()) log.fail(Number.POSITIVE_INFINITY);
    },
    async stop() {
      clearInterval(timer);
      for (const log of logs.values()) log.hand(false);
      pipe.flush();
      pipe.end();
    },
  };
}
