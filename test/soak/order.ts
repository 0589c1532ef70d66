/** Two packets that came in different orders, and where. */
export interface Disorder {
  /** Whose lists contradict each other. */
  readonly names: readonly string[];
  readonly packets: readonly number[];
  readonly text: string;
}

/**
 * Returns the shortest contradiction between lists of packets; undefined if there is one order of
 * all packets of which each list is a part.
 */
export function findDisorder(lists: ReadonlyMap<string, readonly number[]>): Disorder | undefined {
  const follows = new Map<number, Map<number, string>>();
  const before = new Map<number, number>();
  for (const [name, list] of lists) {
    for (const [at, n] of list.entries()) {
      if (!before.has(n)) before.set(n, 0);
      const next = list[at + 1];
      if (next === undefined || next === n || follows.get(n)?.has(next)) continue;
      follows.set(n, (follows.get(n) ?? new Map()).set(next, name));
      before.set(next, (before.get(next) ?? 0) + 1);
    }
  }
  // What has nothing before it comes first; what is never reached is in a circle, or behind one.
  const free = [...before].filter(([, count]) => count === 0).map(([n]) => n);
  for (let n = free.pop(); n !== undefined; n = free.pop()) {
    before.delete(n);
    for (const next of follows.get(n)?.keys() ?? []) {
      const left = (before.get(next) ?? 0) - 1;
      before.set(next, left);
      if (left === 0) free.push(next);
    }
  }
  let shortest: number[] | undefined;
  for (const n of before.keys()) {
    const circle = findCircle(n, follows);
    if (circle && (!shortest || circle.length < shortest.length)) shortest = circle;
  }
  return shortest && describe(shortest, follows);
}

/** Returns the shortest way from a packet back to itself. */
function findCircle(
  from: number,
  follows: ReadonlyMap<number, ReadonlyMap<number, string>>,
): number[] | undefined {
  const origin = new Map<number, number>();
  const queue = [from];
  for (const n of queue) {
    for (const next of follows.get(n)?.keys() ?? []) {
      if (next === from) {
        const way = [n];
        for (let at = n; at !== from; at = origin.get(at) as number) {
          way.unshift(origin.get(at) as number); // each but the first was come to from another
        }
        return way;
      }
      if (origin.has(next)) continue;
      origin.set(next, n);
      queue.push(next);
    }
  }
  return undefined;
}

function describe(
  packets: readonly number[],
  follows: ReadonlyMap<number, ReadonlyMap<number, string>>,
): Disorder {
  const steps = packets.map((n, at) => {
    const next = packets[(at + 1) % packets.length] as number; // the remainder is within
    return { name: follows.get(n)?.get(next) ?? "", text: `${n} before ${next}` };
  });
  return {
    packets,
    names: [...new Set(steps.map(({ name }) => name))],
    text: `no one order: ${steps.map(({ name, text }) => `${name} got ${text}`).join(", ")}`,
  };
}
