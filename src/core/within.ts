/** Settles as the promise does, or as `late` decides if `ms` pass first. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  late: () => T | Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<true>((resolve) => {
    // A process that was frozen finds its timers due before it reads what has arrived.
    timer = setTimeout(() => setImmediate(resolve, true), ms);
  });
  try {
    const first = await Promise.race([promise.then((value) => ({ value })), isLate]);
    return first === true ? await late() : first.value;
  } finally {
    clearTimeout(timer);
  }
}

/** How often {@link isSoon} looks. */
const LOOK_MS = 10;

/** Resolves when a condition is true, or after `ms`; with whether it is. */
export async function isSoon(condition: () => boolean, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}
