import { randomBytes } from "node:crypto";
import { Cluster } from "ioredis";
import type { RedisLink } from "../redis.ts";
import { type AppenderNeeds, createAppender, runScript } from "./calls.ts";
import {
  BEGIN,
  type BusSamples,
  type Carrier,
  type CarrierListener,
  type CarrierLog,
  type Draft,
  NOWHERE,
  type Page,
  type Place,
  type PushedEntry,
  placeAt,
} from "./carrier.ts";
import { type AskEnd, createAskEnd, type Marker } from "./ends.ts";
import { compareIds, type EntryId, EVERYONE, isId, nodeChannel } from "./event-log.ts";
import { createFraming, type Framed, type FrameKind } from "./frame.ts";
import { appendScript, CHANNELS_MAX, COUNT, type Push, READ } from "./scripts.ts";
import { createSubscriberPool, type Subscriber, type SubscriberPool } from "./subscriber.ts";
import { createReplayCheck, isOld } from "./trust.ts";

/** How logs are kept in Redis. */
export interface RedisLogSettings {
  readonly prefix: string;
  readonly streamPacketsMax: number;
  readonly messageBytesMax: number;
  readonly timeoutMs: number;
  readonly busKey: string;
  /** Entries and messages of all logs that may wait for Redis' answer. */
  readonly pendingMax: number;
}

/** What carrying logs through Redis needs. */
export interface RedisCarrierNeeds {
  readonly link: RedisLink;
  readonly samples: BusSamples;
}

/** What one call of a script reads at most. */
const PAGE = 250;
const PAGE_BYTES = 1_048_576;
const NOTHING = new Uint8Array();
/**
 * How long Redis keeps a log that no node reads any more: sessions come back within an hour at most
 * (recovery.windowMs), and a node that is cut off for longer has its clients come back.
 */
const KEPT_SECONDS = 7_200;

/** Returns the carrier of this node's logs through Redis. */
export function createRedisCarrier(settings: RedisLogSettings, needs: RedisCarrierNeeds): Carrier {
  const { link } = needs;
  const node = randomBytes(9).toString("base64url");
  const logs = new Set<RedisLog>();
  const subscribers = createSubscriberPool(link);
  const pending = { count: 0, max: settings.pendingMax };
  // In a Redis Cluster a channel is pushed to where the slot of its log is.
  const push = link.client instanceof Cluster ? "SPUBLISH" : "PUBLISH";
  const askEnd = createAskEnd(link, { push, keptSeconds: KEPT_SECONDS });
  link.watch((here) => {
    for (const log of logs) log.changed(here);
  });
  return {
    node,
    signs: settings.busKey !== "",
    isHere: link.isHere,
    open(namespace, listener) {
      const log = openLog(settings, {
        ...{ ...needs, node, namespace, listener, subscribers },
        ...{ pending, push, askEnd },
      });
      logs.add(log);
      const close = () => {
        logs.delete(log);
        log.close();
      };
      return { ...log, close };
    },
    async stop() {
      for (const log of logs) log.close();
      subscribers.stop();
    },
  };
}

/** The answer of the script, as its comment says. */
type ReadAnswer = readonly [
  ...[lost: number, more: number, notes: Buffer[], id: Buffer, mark: Buffer],
  ...[count: number | Buffer, entries: Buffer[], ms: number],
];

interface RedisLog extends CarrierLog {
  changed(here: boolean): void;
}

interface LogNeeds extends RedisCarrierNeeds {
  readonly node: string;
  readonly namespace: string;
  readonly listener: CarrierListener;
  readonly subscribers: SubscriberPool;
  readonly pending: AppenderNeeds["pending"];
  readonly push: Push;
  readonly askEnd: AskEnd;
}

function openLog(settings: RedisLogSettings, needs: LogNeeds): RedisLog {
  const { link, samples, node, namespace, listener, push } = needs;
  const { prefix, timeoutMs } = settings;
  // The braces have a Redis Cluster keep all of it in one slot. With one in its name, a namespace
  // could have a channel that is another's as well.
  const { database } = link;
  const scope = database === 0 ? prefix : `${prefix}/${database}`;
  const name = `${prefix}:{${namespace.replace(/[%}]/g, encodeURIComponent)}}:`;
  // No channel's own name begins with a digit.
  const base = database === 0 ? name : `${name}${database}:`;
  const stream = `${base}log`;
  const framing = createFraming(settings.busKey, scope, [namespace, node]);
  const script = appendScript(push, settings.streamPacketsMax, framing.macBytes);
  const append = createAppender({ link, stream, script, pending: needs.pending });
  const signs = settings.busKey !== "";
  const isFirstNote = createReplayCheck();
  const mine = new Set<string>();
  const markers = new Map<number, { resolve(): void; reject(error: Error): void }>();
  let subscriber: Subscriber | undefined;
  let asked = 0;
  /** A time of the log's clock, and when it was told. */
  let clock = { ms: 0, since: 0 };
  let closed = false;

  /** What the log's clock shows at least, before anything that is appended from now on. */
  function now(): EntryId {
    // What the two clocks may differ by in speed is far below a hundredth.
    const passedMs = 0.99 * (performance.now() - clock.since);
    return `${Math.max(0, Math.floor(clock.ms + passedMs) - 1)}-0`;
  }

  function write(kind: FrameKind, draft: Draft): Buffer {
    if (!signs) return framing.write(kind, draft); // nobody looks
    const at = now();
    // The newest id may be old: nothing may have been appended for long.
    return framing.write(kind, compareIds(at, draft.at) > 0 ? { ...draft, at } : draft);
  }

  function readFrame(kind: FrameKind, frame: Buffer): Framed | undefined {
    const isTooLarge = frame.length > settings.messageBytesMax;
    const read = isTooLarge ? "size" : framing.read(kind, frame);
    if (typeof read !== "string") return read;
    samples.refused[read]++;
    return undefined;
  }

  /** Whether it was meant for the channel on which it came: only the frame is signed. */
  function isMeant({ channels }: Framed, name: string): boolean {
    if (!signs) return true;
    const channel = name.slice(base.length);
    const isForAll = channels.length > CHANNELS_MAX;
    if (isForAll ? channel === EVERYONE : channels.includes(channel)) return true;
    samples.refused.signature++;
    return false;
  }

  /** Whether it is said for the first time, as far as that can be told. */
  function isFresh(isNew: boolean): boolean {
    if (!signs || isNew) return true;
    samples.refused.replay++;
    return false;
  }

  function hear(message: Buffer, name: string): void {
    if (closed) return;
    const kind = String.fromCharCode(message[0] ?? 0);
    const hasId = kind === "e" || kind === "l";
    const space = hasId ? message.indexOf(" ") : 0;
    const id = message.toString("latin1", 1, space);
    if (!isKind(kind) || (hasId && !isId(id))) {
      samples.refused.shape++;
      return;
    }
    const read = readFrame(kind, message.subarray(space + 1));
    if (!read || !isMeant(read, name)) return;
    if (kind === "e") listener.pushed({ id, ...read });
    else if (kind === "m") markers.get(read.n)?.resolve();
    else if (kind === "l") {
      if (isFresh(isFirstNote(read, now()))) listener.noted(id);
    } else if (isFresh(!isOld(read.at, now()))) {
      listener.told({ ...read, channel: read.channels[0] ?? "" });
    }
  }

  function cutOff(): void {
    subscriber = undefined;
    for (const marker of [...markers.values()]) marker.reject(new Error("the connection was lost"));
    if (!closed) listener.reset();
  }

  async function subscribe(channels: readonly string[]): Promise<void> {
    const names = channels.map((channel) => base + channel);
    for (const name of names) mine.add(name);
    subscriber ??= await needs.subscribers.find(stream, cutOff);
    // Meanwhile, or nobody would ever unsubscribe.
    if (closed) {
      needs.subscribers.leave(cutOff);
      throw new Error("the log is closed");
    }
    // But for those that were left meanwhile.
    const wanted = names.filter((name) => mine.has(name));
    await heard(subscriber.subscribe(wanted, hear));
  }

  /** Waits for what must come; on a connection that does not bring it nothing comes any more. */
  async function heard(answer: Promise<void>): Promise<void> {
    const on = subscriber;
    const late = () => setImmediate(() => on?.cut());
    const timer = setTimeout(late, timeoutMs);
    await answer.finally(() => clearTimeout(timer));
  }

  function writeNothing(kind: FrameKind, channel: string, at: EntryId = NOWHERE): Buffer {
    return write(kind, { n: ++asked, at, channels: [channel], body: NOTHING });
  }

  /** Returns the next marker, which comes on this node's channel. */
  function nextMarker(): Marker {
    const frame = writeNothing("m", nodeChannel(node));
    const n = asked;
    const come = new Promise<void>((resolve, reject) => {
      if (subscriber) markers.set(n, { resolve, reject });
      else reject(new Error("nothing is heard"));
    });
    come.catch(() => {});
    return {
      ...{ channel: base + nodeChannel(node), frame },
      come: () => heard(come),
      forget: () => void markers.delete(n),
    };
  }

  async function ask(
    kind: string,
    { id, mark: whose, count }: Place,
    channels: readonly string[] = [],
    since = 0,
  ): Promise<Page> {
    const marker = ["all", "some", "none"].includes(kind) ? nextMarker() : undefined;
    const given = [
      ...[base, push, marker ? nodeChannel(node) : "", marker?.frame ?? ""],
      ...[EVERYONE, writeNothing("l", EVERYONE, id), KEPT_SECONDS],
      ...[kind, id, whose, count, PAGE, PAGE_BYTES, since, ...channels],
    ];
    try {
      const answer = await link.ask((client) => runScript(client, READ, [stream], given));
      const [lost, more, notes, endId, endMark, endCount, found, ms] = answer as ReadAnswer;
      clock = { ms, since: performance.now() };
      await marker?.come();
      const entries = readAll("e", found);
      const end = { id: String(endId), mark: String(endMark), count: Number(endCount) };
      const note = readAll("l", notes).findLast((each) => isFresh(!isOld(each.at, each.id)))?.id;
      return { entries, end, more: more === 1, lost: lost === 1, note };
    } finally {
      marker?.forget();
    }
  }

  /** Skips to the end; asks what became of the place only if it is not before that. */
  async function skip(after: Place): Promise<Page> {
    if (!subscriber) throw new Error("nothing is heard");
    const { end, ms } = await needs.askEnd({ stream, subscriber, nextMarker });
    clock = { ms, since: performance.now() };
    if (!end || compareIds(end.id, after.id) < 0) return ask("none", after);
    return { entries: [], end, more: false, lost: false };
  }

  /** Reads what comes as an id and a frame for each. */
  function readAll(kind: FrameKind, found: readonly Buffer[]): PushedEntry[] {
    const all: PushedEntry[] = [];
    for (let at = 0; at < found.length; at += 2) {
      const read = readFrame(kind, found[at + 1] as Buffer); // they come in pairs
      if (read) all.push({ id: String(found[at]), ...read });
    }
    return all;
  }

  /** Sends what every node accepts. */
  function send(kind: FrameKind, draft: Draft): Promise<EntryId | number> {
    const frame = write(kind, draft);
    if (frame.length <= settings.messageBytesMax) return append(kind, frame);
    samples.refused.size++;
    return Promise.reject(new Error("the message is larger than cluster.messageBytesMax"));
  }

  return {
    append: (draft) => send("e", draft) as Promise<EntryId>,
    tell: (draft) => send("t", draft) as Promise<number>,
    subscribe,
    unsubscribe(channels) {
      const names = channels.map((channel) => base + channel);
      for (const name of names) mine.delete(name);
      subscriber?.unsubscribe(names, hear);
    },
    read(after, channels, since) {
      if (channels === "all") return ask("all", after);
      return channels.length > 0 ? ask("some", after, channels, since) : skip(after);
    },
    end: async () => (await ask("end", BEGIN)).end,
    look: (id, isTime) => ask(isTime ? "since" : "look", placeAt(id)),
    async nodes() {
      const question = push === "SPUBLISH" ? "SHARDNUMSUB" : "NUMSUB";
      const answer = await link.ask((client) =>
        client.eval(COUNT, 1, stream, question, base + EVERYONE),
      );
      return Number(answer);
    },
    changed: listener.changed,
    close() {
      closed = true;
      subscriber?.unsubscribe([...mine], hear);
      needs.subscribers.leave(cutOff);
      for (const marker of [...markers.values()]) marker.reject(new Error("the log is closed"));
    },
  };
}

function isKind(text: string): text is FrameKind {
  return "etml".includes(text);
}
