import {
  type CarryOutDelayed,
  createDelaySamples,
  type Delay,
  type DelayedCommand,
  type Delays,
  type KeptDelay,
  nameDelay,
} from "../core/delays.ts";
import type { Settings } from "../core/settings.ts";
import { writeTaggedJson } from "../core/value.ts";

type DelaySettings = Pick<Settings["fanout"], "delayedMax" | "delayedBytesMax">;

interface Held {
  readonly delayed: DelayedCommand;
  readonly name: string | undefined;
  readonly bytes: number;
  /** By this process' own clock. */
  readonly dueAt: number;
  timer?: NodeJS.Timeout;
}

/** The longest time that a timer of Node.js takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Keeps delayed commands in this process' memory. Those that wait when it stops are lost. */
export function createMemoryDelays({ delayedMax, delayedBytesMax }: DelaySettings): Delays {
  const samples = createDelaySamples();
  const waiting = new Set<Held>();
  const named = new Map<string, Held>();
  const running = new Set<Promise<unknown>>();
  let carryOut: CarryOutDelayed | undefined;

  function keep(delayed: DelayedCommand, { afterMs, key }: Delay): KeptDelay {
    const { namespace = "/" } = delayed.command;
    const name = key === undefined ? undefined : nameDelay(namespace, key);
    const bytes = Buffer.byteLength(writeTaggedJson(delayed.command));
    const old = name === undefined ? undefined : named.get(name);
    const count = waiting.size - (old ? 1 : 0);
    if (count >= delayedMax || samples.bytes - (old?.bytes ?? 0) + bytes > delayedBytesMax) {
      samples.outcomes.full++;
      return "full";
    }
    if (old) {
      forget(old);
      samples.outcomes.replaced++;
    }
    const held: Held = { delayed, name, bytes, dueAt: performance.now() + afterMs };
    waiting.add(held);
    if (name !== undefined) named.set(name, held);
    samples.kept++;
    samples.bytes += bytes;
    samples.pending = waiting.size;
    arm(held, begin);
    return "kept";
  }

  function forget(held: Held): void {
    clearTimeout(held.timer);
    waiting.delete(held);
    if (held.name !== undefined) named.delete(held.name);
    samples.bytes -= held.bytes;
    samples.pending = waiting.size;
  }

  function begin(held: Held): void {
    forget(held);
    if (!carryOut) return void samples.outcomes.lost++;
    const over = carryOut(held.delayed, performance.now() - held.dueAt).then((done) => {
      samples.outcomes[done ? "done" : "refused"]++;
      running.delete(over);
    });
    running.add(over);
  }

  return {
    keep: async (delayed, delay) => keep(delayed, delay),
    async cancel(namespace, key) {
      const held = named.get(nameDelay(namespace, key));
      if (!held) return false;
      forget(held);
      samples.outcomes.cancelled++;
      return true;
    },
    begin(given) {
      carryOut = given;
    },
    samples,
    async stop() {
      samples.outcomes.lost += waiting.size;
      for (const held of waiting) forget(held);
      await Promise.all(running);
    },
  };
}

/** Calls back when a command is due, never before: a timer of Node.js can come a moment early. */
function arm(held: Held, begin: (held: Held) => void): void {
  const leftMs = Math.ceil(held.dueAt - performance.now());
  const look = () => (performance.now() < held.dueAt ? arm(held, begin) : begin(held));
  held.timer = setTimeout(look, Math.min(leftMs, TIMER_MS_MAX));
}
