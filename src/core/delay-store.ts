import type { DelaySamples } from "./delays.ts";

/** How many items may wait, and with how many bytes. */
export interface DelayStoreLimits {
  readonly delayedMax: number;
  readonly delayedBytesMax: number;
}

/** What is to be known of an item to keep it. */
export interface Waiting {
  readonly bytes: number;
  readonly afterMs: number;
  /** Another item of the same name takes its place; without one, none does. */
  readonly name?: string | undefined;
}

/** Items that wait for their time, in the memory of a process. */
export interface DelayStore<Item> {
  /** Keeps an item, unless there are too many: then it returns false. */
  keep(item: Item, waiting: Waiting): boolean;
  /** Forgets an item; returns whether there was one. */
  cancel(name: string): boolean;
  /** Forgets all; returns how many there were. */
  clear(): number;
}

interface Held<Item> extends Waiting {
  readonly item: Item;
  /** By this process' own clock. */
  readonly dueAt: number;
  timer?: NodeJS.Timeout;
}

/** The longest time that a timer of Node.js takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Returns no items yet. `due` is called with each whose time has come, and how late that is. */
export function createDelayStore<Item>(
  { delayedMax, delayedBytesMax }: DelayStoreLimits,
  samples: DelaySamples,
  due: (item: Item, lateMs: number) => void,
): DelayStore<Item> {
  const waiting = new Set<Held<Item>>();
  const named = new Map<string, Held<Item>>();

  function forget(held: Held<Item>): void {
    clearTimeout(held.timer);
    waiting.delete(held);
    if (held.name !== undefined) named.delete(held.name);
    samples.bytes -= held.bytes;
    samples.pending = waiting.size;
  }

  function begin(held: Held<Item>): void {
    forget(held);
    due(held.item, performance.now() - held.dueAt);
  }

  return {
    keep(item, about) {
      const old = about.name === undefined ? undefined : named.get(about.name);
      const count = waiting.size - (old ? 1 : 0);
      const bytes = samples.bytes - (old?.bytes ?? 0) + about.bytes;
      if (count >= delayedMax || bytes > delayedBytesMax) {
        samples.outcomes.full++;
        return false;
      }
      if (old) {
        forget(old);
        samples.outcomes.replaced++;
      }
      const held: Held<Item> = { ...about, item, dueAt: performance.now() + about.afterMs };
      waiting.add(held);
      if (held.name !== undefined) named.set(held.name, held);
      samples.kept++;
      samples.bytes += held.bytes;
      samples.pending = waiting.size;
      arm(held, begin);
      return true;
    },
    cancel(name) {
      const held = named.get(name);
      if (!held) return false;
      forget(held);
      samples.outcomes.cancelled++;
      return true;
    },
    clear() {
      const { size } = waiting;
      for (const held of waiting) forget(held);
      return size;
    },
  };
}

/** Calls back when an item is due, never before: a timer of Node.js can come a moment early. */
function arm<Item>(held: Held<Item>, begin: (held: Held<Item>) => void): void {
  const leftMs = Math.ceil(held.dueAt - performance.now());
  const look = () => (performance.now() < held.dueAt ? arm(held, begin) : begin(held));
  held.timer = setTimeout(look, Math.min(leftMs, TIMER_MS_MAX));
}
