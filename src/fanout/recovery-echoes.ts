/** How long a packet that recovery has sent may still arrive over the bus. */
const ECHO_MS = 30_000;

/** Who got a packet by recovery that may still come over the bus, by the packet's offset. */
export interface Echoes {
  add(offset: unknown, id: string): void;
  /** Returns the ids that must not get the packet of this offset again, and forgets them. */
  take(offset: unknown): ReadonlySet<string> | undefined;
  /** Offsets that are remembered. */
  readonly size: number;
}

/** Returns the echoes of one adapter; what does not come within 30 s is forgotten by itself. */
export function createEchoes(): Echoes {
  const echoes = new Map<unknown, { readonly ids: Set<string>; readonly until: number }>();
  let timer: NodeJS.Timeout | undefined;

  function forget(): void {
    timer = undefined;
    const now = performance.now();
    // The map's order is that of their ends.
    for (const [offset, { until }] of echoes) {
      if (until > now) {
        wait(until - now);
        return;
      }
      echoes.delete(offset);
    }
  }

  function wait(ms: number): void {
    timer = setTimeout(forget, ms);
    timer.unref();
  }

  return {
    add(offset, id) {
      const known = echoes.get(offset);
      if (known) known.ids.add(id);
      else echoes.set(offset, { ids: new Set([id]), until: performance.now() + ECHO_MS });
      if (!timer) wait(ECHO_MS);
    },
    take(offset) {
      const found = echoes.get(offset)?.ids;
      if (found) echoes.delete(offset);
      return found;
    },
    get size() {
      return echoes.size;
    },
  };
}
