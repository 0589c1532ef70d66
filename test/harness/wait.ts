/** Resolves once `condition` holds; rejects with `what` after `withinMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 10_000,
): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The part of an event emitter that {@link next} needs. */
interface Emitter {
  once(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
}

/** Resolves with the arguments of the next `event`; rejects after `withinMs`. */
export function next<T extends unknown[]>(
  emitter: Emitter,
  event: string,
  withinMs = 10_000,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const listener = (...args: never[]) => {
      clearTimeout(timer);
      resolve(args as unknown as T); // the caller names the event's own argument types
    };
    const timer = setTimeout(() => {
      emitter.off(event, listener);
      reject(new Error(`no "${event}" within ${withinMs} ms`));
    }, withinMs);
    emitter.once(event, listener);
  });
}
