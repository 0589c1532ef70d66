import type { Settings } from "../core/settings.ts";
import {
  compareIds,
  type Entry,
  type EntryId,
  type EventLog,
  type LogListener,
} from "./event-log.ts";
import type { BusSamples } from "./event-log-carrier.ts";
import { createTurns, type Turn } from "./event-log-turns.ts";
import {
  comesAfter,
  type Pipe,
  type Pushed,
  sharedNow,
  type ToPrimary,
  type ToWorker,
} from "./worker-pipe.ts";

/** The log of a namespace in a worker. */
export interface WorkerLog<Own> extends EventLog<Own> {
  /** Takes what the primary says of this log. */
  received(part: ToWorker): void;
  /**
   * Gives the pipe what was appended, in order. `mayBeAlone` says whether entries that nobody else
   * hears can be heard here at once.
   */
  hand(mayBeAlone: boolean): void;
  /** Hears those entries; called when nothing can keep them from the primary. */
  deliver(): void;
  /** Whether all that was appended is in the log. */
  isSettled(): boolean;
  /** Rejects what was appended before a time and is not confirmed. */
  fail(before: number): void;
  /** Unsubscribes from what was not needed for a while. */
  leave(): void;
}

/** What a log needs of the bus of its worker. */
export interface WorkerLogNeeds {
  /** The worker's own number of the log. */
  readonly number: number;
  readonly node: string;
  /** The number of the worker. */
  readonly worker: number;
  /** Whether the primary is to have every entry, for recovery. */
  readonly recovers: boolean;
  readonly settings: Pick<Settings["cluster"], "pendingMax" | "messageBytesMax">;
  readonly samples: BusSamples;
  readonly pipe: Pipe<ToPrimary>;
  ask(question: (asked: number) => ToPrimary): Promise<unknown>;
  /** Has `hand` called at the end of this turn. */
  plan(): void;
  threw(error: unknown): void;
  /** Whether the primary is gone. */
  isGone(): boolean;
  closeLog(): void;
}

interface Appended<Own> {
  readonly n: number;
  readonly channels: readonly string[];
  readonly body: Uint8Array;
  readonly own: Own;
  readonly at: number;
  resolve(id: EntryId): void;
  reject(error: Error): void;
}

interface Subscribing {
  readonly channels: string[];
  /** What is later than this is to be heard. */
  readonly from: EntryId;
  readonly after: EntryId | number;
  readonly promise: Promise<void>;
  resolve(): void;
}

/** How long a channel stays subscribed without need: rooms are left and joined again. */
const LINGER_MS = 1_000;
/** So many workers have each a share of the ids after the id of an entry of all. */
const WORKERS = 4_096;
/** How many entries that nobody else heard are kept for those who were about to subscribe. */
const KEPT_MAX = 1_000;
const KEPT_BYTES_MAX = 1_048_576;

/** The primary did not answer in time. */
export const late = (): Error => new Error("the primary did not answer in time");
/** The primary is gone. */
export const gone = (): Error => new Error("the primary is gone");

/**
 * Returns the log of a namespace, as its primary keeps it.
 *
 * The pipe keeps the order of the log. So what a worker is pushed is heard as it comes, but while a
 * subscription is on its way: then what is later waits, and what the subscription missed is put
 * before it.
 */
export function createWorkerLog<Own>(
  listener: LogListener<Own>,
  needs: WorkerLogNeeds,
): WorkerLog<Own> {
  const { number, node, settings, samples, pipe } = needs;
  let lastN = 0;
  let lastAsked = 0;
  /** Own entries with an id get a later one. */
  let floor: EntryId = "0-0";
  /** Appended in this turn of the event loop. */
  let waiting: Appended<Own>[] = [];
  /** To be heard here alone, behind the place. */
  let alone: { readonly id: EntryId; readonly appended: Appended<Own> }[] = [];
  /** Not confirmed by the primary. */
  const open = new Map<number, Appended<Own>>();
  /** In the log, but not for this node, unless a subscription on its way says otherwise. */
  const unheard = new Map<number, Own>();
  /** By which subscription each is had. */
  const channels = new Map<string, number>();
  const aloneIn = new Set<string>();
  const lingering = new Map<string, number>();
  const pending = new Map<number, Subscribing>();
  /** Those of this turn of the event loop: channels are added to the last one. */
  let asking: { readonly asked: number; readonly subscribing: Subscribing }[] = [];
  /** Entries that nobody else has heard, and that the primary does not have. */
  let kept: { readonly entry: Pushed; readonly at: number }[] = [];
  let keptBytes = 0;
  /** The latest of these that is gone, by channel, and when it was appended. */
  const dropped = new Map<string, { readonly id: EntryId; readonly at: number }>();
  const turns = createTurns({ bounds, threw: needs.threw });

  function* bounds(): Iterable<EntryId> {
    for (const { from } of pending.values()) yield from;
    if (alone.length > 0) yield turns.place();
  }

  function countIn(body: Uint8Array): void {
    samples.messages.in++;
    samples.bytes.in += body.length;
  }

  function received(part: ToWorker): void {
    switch (part[0]) {
      case "entry": {
        const entry = entryOf(part[2]);
        countIn(entry.body);
        turns.arrive({ id: entry.id, take: () => listener.heard(entry, undefined) });
        break;
      }
      case "own":
        confirm(part[2], part[3], part[4]);
        break;
      case "subscribed":
        stand(part[2], part[3], { end: part[4], alone: part[5] });
        break;
      case "alone":
        noteAlone(part[3], part[2]);
        break;
      case "share":
        for (const channel of part[3]) aloneIn.delete(channel);
        giveKept(part[4]);
        pipe.send(["done", part[2], forgetDropped(part[3], part[4])]);
        break;
      case "tick":
        floor = part[3];
        pipe.send(["done", part[2], false]);
        break;
      case "place":
        turns.arrive({ id: part[2], take: undefined, isBehind: true });
        break;
      case "told": {
        const [, , from, body, id] = part;
        countIn(body);
        turns.arrive({ id, take: () => listener.told(from, body), isBehind: true });
        break;
      }
      case "left":
        turns.arrive({
          ...{ id: turns.newest(), isBehind: true },
          take: () => listener.left?.(part[2]),
        });
        break;
      case "lost":
        samples.gaps++;
        fail(Number.POSITIVE_INFINITY);
        turns.arrive({ id: part[2], take: () => listener.lost(), isBehind: true });
        break;
    }
  }

  /** Without recovery, only who is about to subscribe could want what nobody else has heard. */
  function keep(entry: Pushed, at: number): void {
    if (needs.recovers) {
      pipe.add(["kept", number, entry, at]);
      return;
    }
    kept.push({ entry, at });
    keptBytes += entry[4].length;
    if (kept.length <= KEPT_MAX && keptBytes <= KEPT_BYTES_MAX) return;
    for (const { entry, at } of kept.splice(0, Math.ceil(kept.length / 2))) {
      keptBytes -= entry[4].length;
      for (const name of entry[3]) dropped.set(name, { id: entry[0], at });
    }
  }

  /** Returns whether something for these channels is gone that came after an entry, or a time. */
  function forgetDropped(names: readonly string[], after: EntryId | number): boolean {
    let isLossy = false;
    for (const name of names) {
      const last = dropped.get(name);
      if (last && comesAfter(last.id, last.at, after)) isLossy = true;
      // Of what is shared nothing more is heard alone, so it is not asked for again.
      dropped.delete(name);
    }
    return isLossy;
  }

  /** Gives the primary what came after an entry, or since a time. */
  function giveKept(after: EntryId | number): void {
    kept = kept.filter(({ entry, at }) => {
      if (!comesAfter(entry[0], at, after)) return true;
      keptBytes -= entry[4].length;
      pipe.add(["kept", number, entry, at]);
      return false;
    });
  }

  /** What was said of an earlier subscription to a channel is not true of a later one. */
  function noteAlone(names: readonly string[], asked: number): void {
    for (const name of names) if (channels.get(name) === asked) aloneIn.add(name);
  }

  /** An entry of this node is in the log. */
  function confirm(n: number, id: EntryId, isHeard: boolean): void {
    const appended = open.get(n);
    open.delete(n);
    // It was given up before: then it has been delivered.
    if (!appended) {
      turns.arrive({ id, take: undefined });
      return;
    }
    const { channels: names, body, own, resolve } = appended;
    const entry = { id, from: node, n, channels: names, body };
    const take = isHeard ? () => listener.heard(entry, own) : undefined;
    if (!isHeard && pending.size > 0) unheard.set(n, own);
    // A subscription on its way may still say that it is heard.
    turns.arrive({ id, take, isBehind: !isHeard });
    resolve(id);
  }

  /** A subscription stands: what it missed is put in its place. */
  function stand(
    asked: number,
    missed: readonly Pushed[],
    { end, alone: names }: { readonly end: EntryId; readonly alone: readonly string[] },
  ): void {
    const subscribing = pending.get(asked);
    if (!subscribing) return;
    const found: Turn[] = [];
    for (const each of missed) {
      const [id, from, n] = each;
      if (compareIds(id, subscribing.from) <= 0) continue;
      const own = from === node ? unheard.get(n) : undefined;
      // Its own that it does not know were given up before.
      if (from === node && !unheard.has(n)) continue;
      const entry = entryOf(each);
      countIn(entry.body);
      found.push({ id, take: () => listener.heard(entry, own) });
    }
    turns.insert(found, end);
    noteAlone(names, asked);
    pending.delete(asked);
    turns.go();
    if (pending.size === 0) unheard.clear();
    subscribing.resolve();
  }

  /** Returns the id of an entry that nobody else hears: the next one of this worker after `id`. */
  function nextOwnId(id: EntryId): EntryId {
    const at = id.indexOf("-");
    const share = Math.floor(Number(id.slice(at + 1)) / WORKERS) + 1;
    return `${id.slice(0, at)}-${share * WORKERS + (needs.worker % WORKERS)}`;
  }

  /** Whether what is appended now to channels that nobody else has can be heard before all else. */
  function mayBeFirst(): boolean {
    if (open.size + pending.size > 0 || turns.isWaiting()) return false;
    return compareIds(turns.place(), floor) >= 0;
  }

  function hand(mayBeAlone: boolean): void {
    const [subscribings, appends] = [asking, waiting];
    asking = [];
    waiting = [];
    for (const { asked, subscribing } of subscribings) {
      const { channels: names, after } = subscribing;
      pipe.add(["subscribe", number, asked, names, after]);
    }
    const mayHear = mayBeAlone && alone.length === 0;
    let at = turns.place();
    for (const appended of appends) {
      const { n, channels: names, body } = appended;
      samples.messages.out++;
      samples.bytes.out += body.length;
      if (mayHear && mayBeFirst() && names.every((name) => aloneIn.has(name))) {
        at = nextOwnId(at);
        alone.push({ id: at, appended });
        keep([at, node, n, names, body], appended.at);
      } else {
        open.set(n, appended);
        pipe.add(["append", number, n, names, body]);
      }
    }
  }

  function deliver(): void {
    const all = alone;
    const last = all.at(-1);
    if (!last) return;
    alone = [];
    const found = all.map(({ id, appended: { n, channels: names, body, own } }) => {
      const entry = { id, from: node, n, channels: names, body };
      return { id, take: () => listener.heard(entry, own) };
    });
    if (turns.isWaiting()) {
      turns.insert(found, last.id);
      turns.go();
    } else for (const turn of found) turns.arrive(turn);
    for (const { id, appended } of all) appended.resolve(id);
  }

  function fail(before: number): void {
    const error = needs.isGone() ? gone() : late();
    if (alone.some(({ appended }) => appended.at < before)) {
      for (const { appended } of alone) appended.reject(error);
      alone = [];
      turns.go();
    }
    for (const [n, { at, reject }] of open) {
      if (at >= before) return;
      open.delete(n);
      reject(error);
    }
  }

  /** Asks the primary, after all that was done in this turn so far. */
  function ask(question: (asked: number) => ToPrimary): Promise<unknown> {
    hand(false);
    return needs.ask(question);
  }

  /** Returns a subscription of this turn from the place where the caller is. */
  function findAsking(): (typeof asking)[number] {
    const from = turns.hearing() ?? turns.newest();
    const last = asking.at(-1);
    const isById = turns.hearing() !== undefined;
    const isSame = last && (typeof last.subscribing.after === "string") === isById;
    if (isSame && last.subscribing.from === from) return last;
    let resolve = () => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    const after = turns.hearing() ?? sharedNow();
    const subscribing = { channels: [], from, after, promise, resolve };
    const each = { asked: ++lastAsked, subscribing };
    pending.set(each.asked, subscribing);
    asking.push(each);
    needs.plan();
    return each;
  }

  return {
    received,
    hand,
    deliver,
    fail,
    isSettled: () => open.size + waiting.length + alone.length === 0,
    leave() {
      const before = sharedNow() - LINGER_MS;
      const names: string[] = [];
      for (const [name, since] of lingering) {
        if (since > before) break;
        lingering.delete(name);
        channels.delete(name);
        aloneIn.delete(name);
        dropped.delete(name);
        names.push(name);
      }
      if (names.length > 0) pipe.send(["unsubscribe", number, names]);
    },
    append(names, body, own) {
      const { pendingMax, messageBytesMax } = settings;
      return new Promise((resolve, rejectIt) => {
        const reject = (error: Error) => {
          listener.refused?.(own);
          rejectIt(error);
        };
        if (needs.isGone()) reject(gone());
        else if (body.length > messageBytesMax) {
          samples.refused.size++;
          reject(new Error("the message is larger than cluster.messageBytesMax"));
        } else if (open.size + waiting.length >= pendingMax) {
          reject(new Error("cluster.pendingMax messages are waiting already"));
        } else {
          const at = sharedNow();
          waiting.push({ n: ++lastN, channels: names, body, own, at, resolve, reject });
          needs.plan();
        }
      });
    },
    async subscribe(names) {
      const from = turns.hearing() ?? turns.newest();
      const awaited = new Set<Promise<void>>();
      for (const name of names) {
        lingering.delete(name);
        let isHeard = channels.has(name);
        for (const each of isHeard ? pending.values() : []) {
          if (!each.channels.includes(name)) continue;
          isHeard = compareIds(each.from, from) <= 0;
          if (isHeard) awaited.add(each.promise);
        }
        if (isHeard) continue;
        const { asked, subscribing } = findAsking();
        channels.set(name, asked);
        subscribing.channels.push(name);
        awaited.add(subscribing.promise);
      }
      await Promise.all(awaited);
    },
    unsubscribe(names) {
      for (const name of names) {
        if (!channels.has(name)) continue;
        lingering.delete(name);
        lingering.set(name, sharedNow());
      }
    },
    hears: (names) => names.some((name) => channels.has(name)),
    place: turns.place,
    reached(id) {
      if (compareIds(turns.place(), id) < 0) {
        hand(false);
        pipe.send(["end", number]);
      }
      return turns.reached(id);
    },
    async after(id) {
      const found = await ask((asked) => ["read", number, asked, id]);
      if (!found) return undefined;
      const [entries, end] = found as readonly [readonly Pushed[], EntryId]; // so it is answered
      return { entries: entries.map(entryOf), end };
    },
    async tell(channel, body) {
      if (body.length > settings.messageBytesMax) {
        samples.refused.size++;
        throw new Error("the message is larger than cluster.messageBytesMax");
      }
      samples.messages.out++;
      samples.bytes.out += body.length;
      return Number(await ask((asked) => ["tell", number, asked, channel, body]));
    },
    nodes: async () => Number(await ask((asked) => ["nodes", number, asked])),
    close() {
      hand(false);
      for (const { resolve } of pending.values()) resolve();
      fail(Number.POSITIVE_INFINITY);
      pipe.send(["close", number]);
      needs.closeLog();
    },
  };
}

function entryOf([id, from, n, channels, body]: Pushed): Entry {
  return { id, from, n, channels, body };
}
