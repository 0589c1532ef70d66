import { isSoon } from "../core/within.ts";
import {
  type Bus,
  compareIds,
  type EntryId,
  EVERYONE,
  type EventLog,
  type LogListener,
  type LogPart,
  nodeChannel,
} from "./event-log.ts";
import {
  type BusSamples,
  type Carrier,
  type CarrierLog,
  NOWHERE,
  type Page,
  type Place,
  type PushedEntry,
  type PushedMessage,
  placeOf,
} from "./event-log-carrier.ts";
import { createChannels } from "./event-log-channels.ts";
import { createHeld, type Item } from "./event-log-held.ts";
import { createOwnEntries } from "./event-log-own.ts";
import { createReplayCheck, msOf } from "./event-log-trust.ts";

/** What the logs of a node need. */
export interface FeedNeeds {
  readonly samples: BusSamples;
  /** Told how old an entry was when it came, in seconds, by the log's clock and ours. */
  lagged(seconds: number): void;
  /** A listener threw. */
  threw(error: unknown): void;
  /**
   * What a log may hold that has come and may not be heard yet; beyond it is read again. Also what
   * `after` returns at most.
   */
  readonly heldBytesMax: number;
}

/** What must be read before what comes after `from` is heard. */
interface Reading {
  /** Undefined: from where the log ends. */
  from: Place | undefined;
  /** Channels to subscribe to before; all are read if this is about a lost connection. */
  readonly channels: string[];
  readonly isAll: boolean;
  /** What was appended before this time, by the log's clock, need not be read. */
  since: number | undefined;
  readonly done: Promise<void>;
  resolve(): void;
}

interface Feed<Own> extends EventLog<Own> {
  /** Whether all that was appended is in the log, and heard here. */
  isSettled(): boolean;
  /** Refuses what is not. */
  giveUp(): void;
}

interface Looked extends LogPart {
  readonly entries: readonly PushedEntry[];
}

const BEAT_MS = 1_000;
const BEAT_MS_MAX = 10_000;
/** What the log's clock and this node's may differ by between two ids that are known. */
const DRIFT_MS = 5;
/** Nodes find out about one loss within this time, each by itself or by another's note. */
const SAME_LOSS_MS = 60_000;
/** How long a carrier that refused is left alone. */
const REFUSED_MS = 100;

/** Returns the bus over a carrier. */
export function createBus(carrier: Carrier, needs: FeedNeeds): Bus {
  const logs = new Set<Feed<never>>();
  return {
    node: carrier.node,
    open(namespace, listener) {
      const log = openFeed(carrier, { namespace, listener }, needs);
      logs.add(log);
      const close = () => {
        logs.delete(log);
        log.close();
      };
      return { ...log, close };
    },
    async settle(ms) {
      await isSoon(() => [...logs].every((log) => log.isSettled()), ms);
      for (const log of logs) log.giveUp();
    },
    async stop() {
      for (const log of logs) log.close();
      await carrier.stop();
    },
  };
}

/**
 * Puts what a carrier pushes, and what is read from it, in one order.
 *
 * A new subscription is read up: what was appended between the call and its beginning. Until then
 * everything that comes later in the log is held. There are two such readings at most, one that
 * runs and one that collects, so what is held waits for these, however many come after them.
 */
function openFeed<Own>(
  carrier: Carrier,
  { namespace, listener }: { namespace: string; listener: LogListener<Own> },
  needs: FeedNeeds,
): Feed<Own> {
  const { samples } = needs;
  const own = createOwnEntries<Own>();
  const held = createHeld();
  const channels = createChannels<Reading>((ended) => log.unsubscribe(ended));
  const isFirst = createReplayCheck();
  const isFirstPush = createReplayCheck();
  const isFirstMessage = createReplayCheck();
  const waiting = new Set<{ readonly id: EntryId; resolve(): void }>();
  const early: (() => void)[] = [];
  let here = carrier.isHere();
  let closed = false;
  let entriesMade = 0;
  let messagesMade = 0;
  /** Handed over up to here; undefined until the end of the log was found. */
  let place: EntryId | undefined;
  /** Everything that was pushed up to here has come. */
  let arrived: Place = { id: NOWHERE, mark: "", count: -1 };
  /** The newest that is known, and since when. */
  let newest = arrived;
  let newestAt = 0;
  let hearing: PushedEntry | undefined;
  let running: Reading | undefined;
  let collecting: Reading | undefined;
  /** More came than may be held: what comes after this must be read. */
  let overflow: Place | undefined;
  let lostAt: EntryId | undefined;
  /** How often the log was begun anew at another place. */
  let epoch = 0;
  let beating: Promise<void> | undefined;
  let isQuiet = true;
  let beatMs = BEAT_MS;
  let timer: NodeJS.Timeout | undefined;

  function pushed(entry: PushedEntry): void {
    if (closed) return;
    samples.messages.in++;
    samples.bytes.in += entry.body.length;
    // Not a second copy, for another of its channels.
    if (overflow || compareIds(entry.id, arrived.id) <= 0) return;
    // Before it moves anything: who repeats it may have given it any id.
    if (carrier.signs && !isFirstPush(entry, entry.id)) {
      samples.refused.replay++;
      return;
    }
    needs.lagged(Math.max(0, Date.now() - msOf(entry.id)) / 1000);
    isQuiet = false;
    if (isHolding() && held.bytes() > needs.heldBytesMax) {
      overflow = arrived;
      return;
    }
    arrive(placeOf(entry));
    if (isHolding()) {
      held.push(entry);
      hand();
    } else {
      handOver({ id: entry.id, entry });
      advance();
    }
  }

  function told(message: PushedMessage): void {
    if (closed) return;
    samples.messages.in++;
    samples.bytes.in += message.body.length;
    if (isHolding()) held.tell(message);
    else handOver({ id: arrived.id, message });
  }

  const isHolding = () => running !== undefined || collecting !== undefined;

  function arrive(at: Place): void {
    if (compareIds(at.id, arrived.id) > 0) arrived = at;
    know(at);
  }

  function know(at: Place): void {
    newestAt = performance.now();
    if (compareIds(at.id, newest.id) > 0) newest = at;
  }

  /** Nothing behind this may be heard yet. */
  function bound(): EntryId | undefined {
    if (!isHolding()) return undefined;
    return (oldest(running?.from, collecting?.from) ?? newest).id;
  }

  /** Hands over what may be heard. */
  function hand(): void {
    if (place === undefined) return;
    for (let item = held.shift(bound()); item; item = held.shift(bound())) handOver(item);
    advance();
  }

  function handOver(item: Item): void {
    try {
      if ("entry" in item) hear(item.entry);
      else hearMessage(item.message);
    } catch (error) {
      needs.threw(error);
    }
  }

  function hearMessage(message: PushedMessage): void {
    if (!channels.hears([message.channel])) return;
    if (carrier.signs && !isFirstMessage(message, newest.id)) {
      samples.refused.replay++;
      return;
    }
    listener.told(message.from, message.body);
  }

  function hear(entry: PushedEntry): void {
    const { id, from, n } = entry;
    place = id;
    if (!channels.concerns(entry)) return;
    if (carrier.signs && !isFirst(entry, id)) {
      samples.refused.replay++;
      return;
    }
    const mine = from === carrier.node ? own.take(n) : undefined;
    if (mine === false) return;
    hearing = entry;
    try {
      listener.heard(entry, mine?.own);
    } finally {
      hearing = undefined;
      mine?.resolve(id);
    }
  }

  /** Moves the place to where everything was handed over. */
  function advance(): void {
    if (place === undefined) return;
    const to = bound();
    const at = to !== undefined && compareIds(to, arrived.id) < 0 ? to : arrived.id;
    if (compareIds(at, place) > 0) place = at;
    own.pass(place);
    for (const one of waiting) {
      if (compareIds(one.id, place) > 0) continue;
      waiting.delete(one);
      one.resolve();
    }
  }

  /** Entries are gone: goes on behind a place. */
  function lose(at: Place): void {
    epoch++;
    samples.gaps++;
    lostAt = at.id;
    overflow = undefined;
    held.drop(at.id);
    [arrived, newest, place] = [at, at, at.id];
    if (running) running.from = at;
    if (collecting) collecting.from = at;
    try {
      listener.lost();
    } catch (error) {
      needs.threw(error);
    }
    advance();
  }

  function noted(note: EntryId): void {
    if (closed || place === undefined || !isNews(note)) return;
    lose({ id: compareIds(note, newest.id) > 0 ? note : newest.id, mark: "", count: -1 });
  }

  function isNews(note: EntryId): boolean {
    const passedMs = lostAt === undefined ? SAME_LOSS_MS : msOf(note) - msOf(lostAt);
    return passedMs < 0 || passedMs >= SAME_LOSS_MS;
  }

  /** Reads anew, in the place of all readings. */
  function restart(from: Place | undefined, to: string[]): void {
    epoch++;
    const reading = createReading(from, to, true);
    for (const old of [running, collecting]) if (old) reading.done.then(old.resolve);
    for (const channel of to) {
      const state = channels.get(channel);
      if (state) state.reading = reading;
    }
    if (!here) reading.resolve();
    [running, collecting, overflow] = [reading, undefined, undefined];
    void run(reading);
  }

  function reset(): void {
    if (closed) return;
    const isOpen = place !== undefined;
    const froms = [arrived, overflow, running?.from, collecting?.from];
    restart(isOpen ? oldest(...froms) : undefined, channels.prune());
  }

  async function run(reading: Reading): Promise<void> {
    let isSubscribed = reading.channels.length === 0;
    while (reading === running && !closed) {
      try {
        // Before anything else: what is appended from here on is heard, however long that takes.
        if (!reading.from) begin(await log.end());
        if (!isSubscribed) await log.subscribe(reading.channels);
        isSubscribed = true;
        const { from, since } = reading;
        if (!from) continue;
        const page = await log.read(from, reading.isAll ? "all" : reading.channels, since);
        // Not if it was begun anew meanwhile.
        if (reading === running && reading.from === from && !closed) take(page, reading);
      } catch {
        if (here) samples.errors++;
        await new Promise((resolve) => setTimeout(resolve, REFUSED_MS).unref());
      }
    }
  }

  /** The end of the log was found, where it is begun. */
  function begin(end: Place): void {
    if (place === undefined) [place, arrived] = [end.id, end];
    know(end);
    for (const reading of [running, collecting]) if (reading) reading.from ??= end;
    goOn();
  }

  /** Resolves when the log has begun, or cannot. */
  const opened = () => new Promise<void>((resolve) => void early.push(resolve));

  function goOn(): void {
    for (const resolve of early.splice(0)) resolve();
  }

  function take(page: Page, reading: Reading): void {
    const { end, more, note } = page;
    if (page.lost || (note !== undefined && isNews(note))) lose(end);
    else held.merge(page.entries, place ?? NOWHERE);
    reading.from = end;
    arrive(end);
    if (more) {
      hand();
      return;
    }
    held.settle(end.id);
    running = undefined;
    for (const channel of reading.channels) {
      const state = channels.get(channel);
      if (state?.reading === reading) state.reading = undefined;
    }
    if (overflow) restart(oldest(overflow, collecting?.from), collecting?.channels ?? []);
    hand();
    reading.resolve();
    runNext();
  }

  function runNext(): void {
    if (running || !collecting || closed) return;
    [running, collecting] = [collecting, undefined];
    void run(running);
  }

  function subscribe(wanted: readonly string[]): Promise<void> {
    const from = hearing ? placeOf(hearing) : newest;
    // The log's clock showed the newest id's time, or a later one, when that was known.
    const passedMs = hearing ? 0 : performance.now() - newestAt - DRIFT_MS;
    const since = msOf(from.id) + Math.floor(passedMs);
    const readings = new Set<Reading>();
    for (const channel of wanted) {
      const state = channels.get(channel);
      if (state) {
        if (state.lingers) Object.assign(state, { lingers: false, from: from.id });
        if (state.reading) readings.add(state.reading);
        continue;
      }
      collecting ??= collect(from, since);
      collecting.channels.push(channel);
      if (collecting.from) collecting.from = oldest(collecting.from, from);
      if (collecting.since) collecting.since = Math.min(collecting.since, since);
      channels.set(channel, { from: from.id, reading: collecting, lingers: false });
      readings.add(collecting);
    }
    if (readings.size === 0 || !here || closed) return Promise.resolve();
    return Promise.all([...readings].map(({ done }) => done)).then(() => {});
  }

  /** Begins to collect the channels that are subscribed to in this turn. */
  function collect(from: Place, since: number): Reading {
    const reading = createReading(place === undefined ? undefined : from, [], false);
    if (reading.from) reading.since = since;
    setImmediate(runNext);
    if (!here) reading.resolve();
    return reading;
  }

  /** Asks for the end of the log, which moves the place of a node that hears nothing. */
  function beat(): Promise<void> {
    beating ??= ask().finally(() => {
      beating = undefined;
    });
    return beating;
  }

  async function ask(): Promise<void> {
    const begun = epoch;
    const page = await log.read(arrived, []).catch(() => undefined);
    if (!page || begun !== epoch || closed || place === undefined) return;
    if (page.lost) return lose(page.end);
    beatMs = page.end.id === arrived.id ? Math.min(2 * beatMs, BEAT_MS_MAX) : BEAT_MS;
    arrive(page.end);
    advance();
  }

  function tick(): void {
    if (isQuiet && here && !isHolding()) void beat();
    if (!isQuiet) beatMs = BEAT_MS;
    isQuiet = true;
    timer = setTimeout(tick, beatMs).unref();
  }

  function changed(now: boolean): void {
    here = now;
    if (here || closed) return;
    own.refuseAll(new Error("the log is away"));
    goOn();
    // What is appended meanwhile is read when it is back.
    running?.resolve();
    collecting?.resolve();
  }

  function append(to: readonly string[], body: Uint8Array, mine: Own): Promise<EntryId> {
    if (!here || closed) return Promise.reject(new Error("the log is away"));
    // What it appends says how far it is.
    if (place === undefined) return opened().then(() => append(to, body, mine));
    const n = ++entriesMade;
    return new Promise((resolve, reject) => {
      own.add(n, { own: mine, resolve, reject });
      log.append({ n, at: newest.id, channels: to, body }).then(
        (id) => {
          samples.messages.out++;
          samples.bytes.out += body.length;
          know({ id, mark: `${carrier.node}:${n}`, count: -1 });
          const isPassed = place !== undefined && compareIds(id, place) <= 0;
          own.confirm(n, id, !isPassed && channels.hears(to));
        },
        (error: Error) => {
          if (own.refuse(n, error) && here) samples.errors++;
        },
      );
    });
  }

  function tell(channel: string, body: Uint8Array): Promise<number> {
    if (place === undefined && here && !closed) return opened().then(() => tell(channel, body));
    return log.tell({ n: ++messagesMade, at: newest.id, channels: [channel], body });
  }

  /** Reads all after an id; up to another, if that is given. */
  async function look(id: EntryId, to?: EntryId): Promise<Looked | undefined> {
    const entries: PushedEntry[] = [];
    let bytes = 0;
    for (let from = id; ; ) {
      const page = await log.look(from);
      if (page.lost || page.note !== undefined) return undefined;
      for (const entry of page.entries) bytes += entry.body.length;
      entries.push(...page.entries);
      if (bytes > needs.heldBytesMax) return undefined;
      const isEnd = to !== undefined && compareIds(page.end.id, to) >= 0;
      if (!page.more || isEnd) return { entries, end: page.end.id };
      from = page.end.id;
    }
  }

  async function after(id: EntryId): Promise<LogPart | undefined> {
    const part = await look(id);
    if (!part || !carrier.signs) return part;
    // Whoever knew less than this id may have appended it before, and what was read be a copy.
    const old = part.entries.filter(({ at }) => compareIds(at, id) < 0);
    const [first] = old.map(({ at }) => at).sort(compareIds);
    const before = first === undefined ? { entries: [] } : await look(first, id);
    if (!before) return undefined;
    const isNew = createReplayCheck();
    for (const entry of before.entries) if (compareIds(entry.id, id) <= 0) isNew(entry, entry.id);
    return { ...part, entries: part.entries.filter((entry) => isNew(entry, entry.id)) };
  }

  const log: CarrierLog = carrier.open(namespace, { pushed, told, noted, reset, changed });
  for (const channel of [EVERYONE, nodeChannel(carrier.node)]) {
    channels.set(channel, { from: NOWHERE, reading: undefined, lingers: false });
  }
  reset();
  timer = setTimeout(tick, beatMs).unref();

  return {
    append,
    subscribe,
    unsubscribe: channels.drop,
    hears: channels.hears,
    place: () => place ?? NOWHERE,
    reached(id) {
      if (place !== undefined && compareIds(id, place) <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.add({ id, resolve });
        // What is asked already may be answered with an earlier end.
        if (!isHolding())
          void Promise.resolve(beating).then(() => (isWaiting() ? beat() : undefined));
      });
    },
    after,
    tell,
    nodes: () => log.nodes(),
    isSettled: own.isEmpty,
    giveUp: () => own.refuseAll(new Error("the log did not confirm it in time")),
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      channels.stop();
      own.refuseAll(new Error("the log is closed"));
      goOn();
      running?.resolve();
      collecting?.resolve();
      log.close();
    },
  };

  function isWaiting(): boolean {
    return waiting.size > 0 && !closed;
  }
}

function createReading(from: Place | undefined, channels: string[], isAll: boolean): Reading {
  let resolve = (): void => {};
  const done = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { from, channels, isAll, since: undefined, done, resolve };
}

/** Returns the first of the places in the order of the log. */
function oldest(...places: (Place | undefined)[]): Place | undefined {
  let first: Place | undefined;
  for (const place of places) {
    if (place && (!first || compareIds(place.id, first.id) < 0)) first = place;
  }
  return first;
}
