/**
 * Reads the listeners of an emitter without copying them. `listeners()` and `rawListeners()` return
 * a new array each time, which costs more than to call a short listener.
 */

import type { EventEmitter } from "node:events";

/** A listener, as it was registered. */
export type Listener = (...given: unknown[]) => unknown;

/** Where every emitter of Node.js keeps its listeners: none, a function, or several in a list. */
interface EmitterInside {
  readonly _events?: Readonly<Record<string | symbol, unknown>>;
}

/**
 * Returns the only listener of an event; undefined if there is none, or more than one. One that was
 * added by `once` is returned as the function that removes it first.
 */
export function onlyListener(emitter: EventEmitter, event: string | symbol): Listener | undefined {
  const found = (emitter as EmitterInside)._events?.[event];
  // Whatever Node.js keeps as a function is a listener.
  return typeof found === "function" ? (found as Listener) : undefined;
}

/** Whether no listener of an event is registered. */
export function isUnheard(emitter: EventEmitter, event: string | symbol): boolean {
  const all = (emitter as EmitterInside)._events;
  return all ? all[event] === undefined : emitter.listenerCount(event) === 0;
}
