import type { Carrier, CarrierListener, CarrierLog } from "../../src/cluster/log/carrier.ts";
import {
  createRings,
  type Ring,
  type RingLimits,
  type RingSide,
} from "../../src/cluster/log/ring.ts";

/** The nodes of one process, connected in memory. */
export interface MemoryCarriers {
  /** Returns the carrier of another node. */
  join(node: string): Carrier;
}

/** Returns carriers over rings in this process. Everything is handed over in later turns. */
export function createMemoryCarriers(limits: RingLimits): MemoryCarriers {
  const createRing = createRings(limits);
  const rings = new Map<string, Ring>();

  function ringOf(namespace: string): Ring {
    const known = rings.get(namespace);
    if (known) return known;
    const ring = createRing();
    rings.set(namespace, ring);
    return ring;
  }

  return {
    join(node) {
      const logs = new Set<CarrierLog>();
      return {
        node,
        signs: false,
        isHere: () => true,
        open(namespace, listener) {
          const log = openLog(ringOf(namespace), node, listener);
          logs.add(log);
          return log;
        },
        async stop() {
          for (const log of logs) log.close();
        },
      };
    },
  };
}

function openLog(ring: Ring, node: string, listener: CarrierListener): CarrierLog {
  let open = true;
  /** What one turn brings is handed over in the next, pushed entries and answers in their order. */
  let queue: (() => void)[] = [];

  function later(call: () => void): void {
    if (queue.push(call) > 1) return;
    setImmediate(() => {
      const calls = queue;
      queue = [];
      for (const each of calls) if (open) each();
    });
  }

  const side: RingSide = ring.join({
    node,
    pushed: (entry) => later(() => listener.pushed(entry)),
    told(message) {
      later(() => listener.told(message));
      return true;
    },
  });
  const answer = <T>(call: () => T): Promise<T> =>
    new Promise((resolve) => {
      const answered = call();
      later(() => resolve(answered));
    });

  return {
    append: (draft) =>
      answer(() => {
        const entry = side.append(draft);
        later(() => listener.pushed(entry));
        return entry.id;
      }),
    tell: (draft) => answer(() => side.tell(draft)),
    subscribe: (channels) => answer(() => side.subscribe(channels)),
    unsubscribe: (channels) => side.unsubscribe(channels),
    read: (after, channels, since) => answer(() => side.read(after.id, channels, since)),
    look: (id) => answer(() => side.read(id, "all")),
    end: () => answer(() => side.read(undefined, []).end),
    nodes: async () => ring.nodes(),
    close() {
      open = false;
      side.leave();
    },
  };
}
