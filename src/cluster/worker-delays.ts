import { createDelayStore, type DelayStoreLimits } from "../core/delay-store.ts";
import {
  type CarryOutDelayed,
  createDelaySamples,
  type Delays,
  nameDelay,
} from "../core/delays.ts";
import { readDelayed, writeDelayed } from "./delay-text.ts";
import type { PrimaryDelays } from "./log/primary.ts";
import type { WorkerBus } from "./worker-bus.ts";
import type { ToPrimary, ToWorker } from "./worker-pipe.ts";

/** What a worker is given. */
export type Due = Extract<ToWorker, readonly ["due", ...unknown[]]>;
type Heard = Due | Extract<ToWorker, readonly ["waiting", ...unknown[]]>;

/** The commands of all workers that wait, in their primary. */
export interface StoppablePrimaryDelays extends PrimaryDelays {
  /** Returns how many are lost. */
  stop(): number;
}

/** A command as its worker has written it. */
interface Kept {
  readonly text: string;
  /** The worker that gave it; it gets it back, if it is still there. */
  readonly giver: string;
}

/** What the primary answers: whether it is done, how many wait, their bytes, and were replaced. */
type Told = readonly [done: boolean, pending: number, bytes: number, replaced: number];

/** Returns what keeps the commands of all workers until their time, and gives each to one. */
export function createPrimaryDelays(limits: DelayStoreLimits): StoppablePrimaryDelays {
  const samples = createDelaySamples();
  const workers = new Map<string, (part: ToWorker) => void>();
  const given = new Map<number, { readonly kept: Kept; readonly worker: string; dueAt: number }>();
  /** Those that are due while there is no worker. */
  let stranded: { readonly kept: Kept; readonly dueAt: number }[] = [];
  let lastId = 0;
  let telling: NodeJS.Immediate | undefined;

  /** Tells all workers, once a turn, how many wait: each shows it in its metrics. */
  function tellAll(): void {
    telling ??= setImmediate(() => {
      telling = undefined;
      for (const send of workers.values()) send(["waiting", samples.pending, samples.bytes]);
    });
  }

  function give(kept: Kept, dueAt: number): void {
    tellAll();
    const [first] = workers.keys();
    const worker = workers.has(kept.giver) ? kept.giver : first;
    if (worker === undefined) return void stranded.push({ kept, dueAt });
    const id = ++lastId;
    given.set(id, { kept, worker, dueAt });
    workers.get(worker)?.(["due", id, kept.text, performance.now() - dueAt]);
  }

  const store = createDelayStore<Kept>(limits, samples, (kept, lateMs) =>
    give(kept, performance.now() - lateMs),
  );
  const tell = (done: () => boolean): Told => {
    const before = samples.outcomes.replaced;
    const isDone = done();
    return [isDone, samples.pending, samples.bytes, samples.outcomes.replaced - before];
  };

  return {
    joined(worker, send) {
      workers.set(worker, send);
      tellAll();
      for (const { kept, dueAt } of stranded.splice(0)) give(kept, dueAt);
    },
    received(giver, part, answer) {
      tellAll();
      if (part[0] === "done") given.delete(part[1]);
      else if (part[0] === "cancel") answer(tell(() => store.cancel(part[2])));
      else {
        const [, , afterMs, name, text] = part;
        const about = { bytes: Buffer.byteLength(text), afterMs, name: name ?? undefined };
        answer(tell(() => store.keep({ text, giver }, about)));
      }
    },
    left(worker) {
      workers.delete(worker);
      for (const [id, each] of [...given]) {
        if (each.worker !== worker) continue;
        given.delete(id);
        give(each.kept, each.dueAt);
      }
    },
    stop() {
      clearImmediate(telling);
      const lost = store.clear() + given.size + stranded.length;
      given.clear();
      stranded = [];
      return lost;
    },
  };
}

/** Returns the commands of this worker, which its primary keeps for all workers. */
export function createWorkerDelays(bus: Pick<WorkerBus, "send" | "ask" | "onDue">): Delays {
  const samples = createDelaySamples();
  const running = new Set<Promise<unknown>>();
  /** Those that came before it has begun. */
  const early: Due[] = [];
  let carryOut: CarryOutDelayed | undefined;
  let stopped = false;

  async function ask(question: (asked: number) => ToPrimary): Promise<boolean | "away"> {
    try {
      const [done, pending, bytes, replaced] = (await bus.ask(question)) as Told; // as sent
      Object.assign(samples, { pending, bytes });
      samples.outcomes.replaced += replaced;
      return done;
    } catch {
      return "away";
    }
  }

  function receive(part: Due): void {
    const [, id, text, lateMs] = part;
    // The primary gives it to another once this worker has left.
    if (stopped) return;
    if (!carryOut) return void early.push(part);
    const delayed = readDelayed(text);
    const over = (delayed ? carryOut(delayed, lateMs) : Promise.resolve(false)).then((done) => {
      samples.outcomes[done ? "done" : "refused"]++;
      bus.send(["done", id]);
      running.delete(over);
    });
    running.add(over);
  }
  bus.onDue((part: Heard) => {
    if (part[0] === "due") receive(part);
    else Object.assign(samples, { pending: part[1], bytes: part[2] });
  });

  return {
    async keep(delayed, { afterMs, key }) {
      const name = key === undefined ? null : nameDelay(delayed.command.namespace, key);
      const text = writeDelayed(delayed);
      const kept = await ask((asked) => ["delay", asked, afterMs, name, text]);
      if (kept === true) samples.kept++;
      else samples.outcomes[kept === false ? "full" : "away"]++;
      return kept === true ? "kept" : kept === false ? "full" : "away";
    },
    async cancel(namespace, key) {
      const found = await ask((asked) => ["cancel", asked, nameDelay(namespace, key)]);
      if (found === true) samples.outcomes.cancelled++;
      return found;
    },
    begin(given) {
      carryOut = given;
      for (const part of early.splice(0)) receive(part);
    },
    samples,
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}
