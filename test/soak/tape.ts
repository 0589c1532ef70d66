import { createLedger, type Fault, type Ledger } from "./ledger.ts";

/** What a ledger was told, in its order. */
export interface Tape {
  /** The ledger to tell it to. */
  readonly ledger: Ledger;
  /** Plays it to a ledger of its own, with one delivery spoilt; returns what that finds. */
  replay(spoil?: Spoil): Fault[];
  /** How many deliveries it has. */
  deliveries(): number;
}

/** What happens to a delivery, by its place among all. */
export interface Spoil {
  readonly at: number;
  /** Swapped with the next to the same session; given to another session. */
  readonly how: "dropped" | "doubled" | "swapped" | "misled";
}

type Call = readonly [name: keyof Ledger, args: readonly unknown[]];
type Method = (...args: readonly unknown[]) => unknown;

/** Returns a ledger that keeps a record of what it is told. */
export function createTape(): Tape {
  const calls: Call[] = [];
  const isDelivery = ([name]: Call) => name === "receive";
  const ledger = createLedger();
  const taped = Object.fromEntries(
    Object.entries(ledger).map(([name, method]) => {
      const call = (...args: readonly unknown[]) => {
        calls.push([name as keyof Ledger, args]); // a ledger has no other keys
        return (method as Method)(...args);
      };
      return [name, call];
    }),
  ) as unknown as Ledger; // with the same methods
  return {
    ledger: taped,
    deliveries: () => calls.filter(isDelivery).length,
    replay(spoil) {
      const fresh = createLedger() as unknown as Record<string, Method>;
      const faults: Fault[] = [];
      for (const [name, args] of spoil ? spoilOne(calls, spoil) : calls) {
        const answer = fresh[name]?.(...args);
        if (name === "settle") faults.push(...(answer as Fault[]));
      }
      return faults;
    },
  };
}

function spoilOne(calls: readonly Call[], { at, how }: Spoil): readonly Call[] {
  const deliveries = [...calls.keys()].filter((index) => calls[index]?.[0] === "receive");
  const index = deliveries[at] ?? 0;
  const spoilt = [...calls];
  const call = calls[index] as Call; // there is one at each of these
  const [sid, ...rest] = call[1];
  const later = deliveries.slice(at + 1);
  const sidOf = (each: number) => calls[each]?.[1][0];
  if (how === "dropped") spoilt.splice(index, 1);
  else if (how === "doubled") spoilt.splice(index, 0, call);
  else if (how === "misled") {
    const other = later.map(sidOf).find((each) => each !== sid) ?? sid;
    spoilt[index] = ["receive", [other, ...rest]];
  } else {
    const next = later.find((each) => sidOf(each) === sid);
    if (next !== undefined) [spoilt[index], spoilt[next]] = [calls[next] as Call, call];
  }
  return spoilt;
}
