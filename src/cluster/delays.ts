import {
  type CarryOutDelayed,
  createDelaySamples,
  type DelayedCommand,
  type Delays,
  nameDelay,
} from "../core/delays.ts";
import type { Settings } from "../core/settings-shape.ts";
import { CANCEL, KEEP, TURN } from "./delay-scripts.ts";
import { readDelayed, writeDelayed } from "./delay-text.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What commands in Redis are kept by. */
export type RedisDelaySettings = Pick<Settings["fanout"], "delayedMax" | "delayedBytesMax"> &
  Pick<Settings["cluster"], "leaseMs">;

/** What keeping commands in Redis needs. */
export interface RedisDelayNeeds {
  readonly link: RedisLink;
  readonly seal: Seal;
  /** The first word of every key in Redis that goes with leases. */
  readonly prefix: string;
}

/** What is claimed at once. */
const CLAIM = { commandsMax: 100, bytesMax: 1_048_576 } as const;
/** What a node carries out at once. */
const UNDER_WAY_MAX = 1000;
/** What is over in this time is told together. */
const TELL_MS = 10;
/** How long a node may not look, for what nodes that are gone have left. */
const LOOK_MS = 1000;
/** How long a node leaves what is due to the node that was given it. */
const SPREAD_MS = { least: 50, most: 200 } as const;

/** One command as a script tells of it: its id, its text, by how many milliseconds it is late. */
type Claimed = readonly [id: string, text: string, lateMs: number];

/**
 * Keeps commands in Redis, for all nodes.
 *
 * The node that was given one claims it when it is due; if that one is gone, another does a moment
 * later. A script sees to it that one node gets it. Who has claimed it has `leaseMs` to carry it
 * out: after that another node does, so it is carried out once, or again if it was under way when
 * its node died or lost Redis.
 */
export function createRedisDelays(
  { delayedMax, delayedBytesMax, leaseMs }: RedisDelaySettings,
  { link, seal, prefix }: RedisDelayNeeds,
): Delays {
  const keys = ["due", "claimed", "texts", "names", "sums"].map(
    (name) => `${prefix}delays:${name}`,
  );
  const samples = createDelaySamples();
  const alarm = createAlarm(() => void turn());
  const underWay = new Set<Promise<void>>();
  /** What was carried out, and Redis has yet to hear of. */
  const finished: string[] = [];
  let carryOut: CarryOutDelayed = async () => false;
  /** Also before it has begun. */
  let stopped = true;
  let running: Promise<void> | undefined;
  let again = false;

  async function run<T>(script: string, given: readonly (string | number)[]) {
    const answer = await link.ask((client) => client.eval(script, keys.length, ...keys, ...given));
    // Every script answers so.
    const [count, bytes, ...rest] = answer as [number, number, ...unknown[]];
    samples.pending = count;
    samples.bytes = bytes;
    return rest as T;
  }

  /** Claims what is due, and tells Redis what was carried out. */
  function turn(): Promise<void> {
    if (running) again = true;
    running ??= claimAll()
      .catch(() => alarm.within(LOOK_MS))
      .finally(() => {
        running = undefined;
        if (again) alarm.within(0);
        again = false;
      });
    return running;
  }

  async function claimAll(): Promise<void> {
    for (;;) {
      const askedAt = performance.now();
      alarm.clear();
      const told = finished.length;
      const most = stopped ? 0 : Math.min(CLAIM.commandsMax, UNDER_WAY_MAX - underWay.size);
      const given = [most, CLAIM.bytesMax, leaseMs, ...finished];
      const [following, mine] = await run<[[string, number][], Claimed[]]>(TURN, given);
      finished.splice(0, told);
      if (stopped) return;
      // With as many under way as may be, the end of one is when to look again.
      if (most === 0) return alarm.within(LOOK_MS);
      if (mine.length === 0) return alarm.within(lookAfter(following, link.name));
      // A process that was frozen: another node has carried these out meanwhile, or will.
      if (performance.now() - askedAt < leaseMs) for (const claimed of mine) start(claimed);
    }
  }

  function start([id, text, lateMs]: Claimed): void {
    const delayed = readSigned(text, nameOf(id), seal);
    if (!delayed) samples.outcomes.unreadable++;
    const over = (delayed ? carryOut(delayed, lateMs) : Promise.resolve(undefined)).then((done) => {
      if (done !== undefined) samples.outcomes[done ? "done" : "refused"]++;
      finished.push(id);
      underWay.delete(over);
      if (!stopped) alarm.within(TELL_MS);
    });
    underWay.add(over);
  }

  link.watch((here) => {
    if (here && !stopped) alarm.within(0);
  });

  return {
    async keep(delayed, { afterMs, key }) {
      const name = key === undefined ? "" : writeName(delayed.command.namespace, key);
      const text = sign(delayed, name, seal);
      const given = [afterMs, link.name, name, text, delayedMax, delayedBytesMax];
      try {
        const [how] = await run<[number]>(KEEP, given);
        if (how < 0) samples.outcomes.full++;
        if (how < 0) return "full";
        if (how > 0) samples.outcomes.replaced++;
      } catch {
        samples.outcomes.away++;
        return "away";
      }
      samples.kept++;
      // Redis has counted from before it answered.
      if (!stopped) alarm.within(afterMs + 1);
      return "kept";
    },
    async cancel(namespace, key) {
      try {
        const [found] = await run<[number]>(CANCEL, [writeName(namespace, key)]);
        samples.outcomes.cancelled += found;
        return found > 0;
      } catch {
        return "away";
      }
    },
    begin(given) {
      carryOut = given;
      stopped = false;
      void turn();
    },
    samples,
    async stop() {
      stopped = true;
      alarm.clear();
      await running;
      await Promise.all(underWay);
      if (finished.length > 0) await turn();
      alarm.clear();
    },
  };
}

/** Returns when to look again, from what is due next: one's own in time, others' a moment later. */
function lookAfter(following: readonly (readonly [string, number])[], own: string): number {
  const [first] = following;
  const [, ownMs = LOOK_MS] = following.find(([id]) => id.split(" ")[2] === own) ?? [];
  const spreadMs = SPREAD_MS.least + Math.random() * (SPREAD_MS.most - SPREAD_MS.least);
  const firstMs = first ? Math.max(0, first[1]) + spreadMs : LOOK_MS;
  return Math.min(LOOK_MS, ownMs + 1, firstMs);
}

/** A timer that rings at the earliest of the times that it was set to. */
function createAlarm(ring: () => void) {
  let at = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  const clear = (): void => {
    clearTimeout(timer);
    at = Number.POSITIVE_INFINITY;
  };
  return {
    within(ms: number): void {
      const wanted = performance.now() + Math.min(ms, LOOK_MS);
      if (wanted >= at) return;
      clear();
      at = wanted;
      timer = setTimeout(
        () => {
          clear();
          ring();
        },
        Math.max(0, Math.ceil(wanted - performance.now())),
      );
    },
    clear,
  };
}

/** Returns a name as Redis gives it back: half a surrogate pair is not the same there. */
function writeName(namespace: string | undefined, key: string): string {
  return Buffer.from(nameDelay(namespace, key)).toString();
}

function nameOf(id: string): string {
  return id.split(" ").slice(3).join(" ");
}

/** Writes a command: a line with its signature, if there is a key, and the command. */
function sign(delayed: DelayedCommand, name: string, seal: Seal): string {
  const text = writeDelayed(delayed);
  return `${seal.sign(["delay", name, text])}\n${text}`;
}

/** Reads a command; undefined if none of our nodes has written it under this name. */
function readSigned(given: string, name: string, seal: Seal): DelayedCommand | undefined {
  const cut = given.indexOf("\n");
  const text = given.slice(cut + 1);
  const isOurs = seal.isSigned(["delay", name, text], given.slice(0, cut));
  return isOurs ? readDelayed(text) : undefined;
}
