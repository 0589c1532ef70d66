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

type Listen = (event: string, listener: (...args: unknown[]) => void) => unknown;

/** Every emitter of the field has these two: Node.js', Socket.IO's typed ones, the client's. */
function bindEmitter(emitter: object): { on: Listen; off: Listen } {
  const { on, off } = emitter as { on: Listen; off: Listen };
  return { on: on.bind(emitter), off: off.bind(emitter) };
}

/** Resolves with the arguments of the next `event`; rejects after `withinMs`. */
export function next<T extends unknown[]>(
  emitter: object,
  event: string,
  withinMs = 10_000,
): Promise<T> {
  const { on, off } = bindEmitter(emitter);
  return new Promise((resolve, reject) => {
    const listener = (...args: unknown[]) => {
      clearTimeout(timer);
      off(event, listener);
      resolve(args as T); // the caller names the event's own argument types
    };
    const timer = setTimeout(() => {
      off(event, listener);
      reject(new Error(`no "${event}" within ${withinMs} ms`));
    }, withinMs);
    on(event, listener);
  });
}
