import {
  type Carrier,
  type CarrierListener,
  type CarrierLog,
  type Page,
  type Place,
  type PushedEntry,
  placeOf,
} from "../../src/cluster/log/carrier.ts";
import { compareIds, type EntryId } from "../../src/cluster/log/event-log.ts";

/** A log whose every step the test takes: what a node asks waits, and so does what it is told. */
export interface Server {
  /** Adds a node; one whose entries are signed refuses those that come again by their numbers. */
  join(node: string, signs: boolean): Controlled;
  /** All that were ever appended. */
  entries: readonly PushedEntry[];
  /** Drops all entries but the newest. */
  trim(keep: number): void;
  /** The newest that was dropped. */
  trimmedTo(): EntryId;
}

/** The log takes a command, or the node what comes; where it asks, or where it hears. */
export type Step = "ask" | "answer" | "subscribe" | "push";

/** One node's connections: one on which it asks, and one on which it hears. */
export interface Controlled {
  readonly carrier: Carrier;
  /** Where its log has begun. */
  began(): EntryId | undefined;
  /** Takes one step; false if there is nothing to do. */
  step(which: Step): boolean;
  /** The connection on which it hears is lost. */
  lose(): void;
  /** The connection on which it asks is lost, before any more is answered. */
  leave(): void;
  back(): void;
}

interface Asked {
  /** Carries it out, and returns the answer. */
  run(): unknown;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

interface Side {
  readonly channels: Set<string>;
  /** What waits to be pushed. */
  readonly pushes: ((listener: CarrierListener) => void)[];
}

const PAGE = 3;

/**
 * Returns a log that pushes a copy to each channel, as Redis does. With a clock, in milliseconds,
 * its ids say when an entry was appended, and it leaves out what need not be read.
 */
export function createServer(nowMs?: () => number): Server {
  const entries: PushedEntry[] = [];
  let first = 0;
  let trimmed: EntryId = "0-0";
  let last: Place = { id: "0-0", mark: "", count: -1 };
  const sides = new Set<Side>();

  function publish(channel: string, push: Side["pushes"][number]): number {
    const to = [...sides].filter(({ channels }) => channels.has(channel));
    for (const { pushes } of to) pushes.push(push);
    return to.length;
  }

  function nextId(): EntryId {
    const number = entries.length + 1;
    // Two of a millisecond, then the next.
    return nowMs ? `${nowMs()}-${number}` : `${Math.floor(number / 2)}-${number % 2}`;
  }

  function append(entry: Omit<PushedEntry, "id">): EntryId {
    const id = nextId();
    const added = { ...entry, id };
    entries.push(added);
    last = placeOf(added);
    for (const channel of entry.channels) publish(channel, (to) => to.pushed({ ...added }));
    return id;
  }

  function read(after: Place | undefined, channels: readonly string[] | "all", since = 0): Page {
    const none = { entries: [], end: last, more: false };
    if (!after || channels.length === 0) return { ...none, lost: false };
    if (compareIds(after.id, trimmed) < 0) return { ...none, lost: true };
    const begin = `${Math.max(0, since)}-0`;
    const from = nowMs && compareIds(after.id, begin) < 0 ? begin : after.id;
    const rest = entries.slice(first).filter(({ id }) => compareIds(id, from) > 0);
    const page = rest.slice(0, PAGE);
    const isWanted = (entry: PushedEntry) =>
      channels === "all" || entry.channels.some((channel) => channels.includes(channel));
    const more = rest.length > PAGE;
    const end = more ? placeOf(page.at(-1) as PushedEntry) : last; // a page of more is full
    return { entries: page.filter(isWanted), end, more, lost: false };
  }

  return {
    entries,
    trimmedTo: () => trimmed,
    trim(keep) {
      first = Math.max(first, entries.length - keep);
      trimmed = entries[first - 1]?.id ?? trimmed;
    },
    join: (node, signs) => createControlled(node, signs, { sides, publish, append, read }),
  };
}

interface Internals {
  readonly sides: Set<Side>;
  publish(channel: string, push: Side["pushes"][number]): number;
  append(entry: Omit<PushedEntry, "id">): EntryId;
  read(after: Place | undefined, channels: readonly string[] | "all", since?: number): Page;
}

function createControlled(node: string, signs: boolean, server: Internals): Controlled {
  const asked: Asked[] = [];
  const answers: (() => void)[] = [];
  const commands: (() => void)[] = [];
  let side: Side = { channels: new Set(), pushes: [] };
  const marks = new Set<(error: Error) => void>();
  const waiting = new Set<(error: Error) => void>();
  let listener: CarrierListener | undefined;
  let here = true;
  let began: EntryId | undefined;
  server.sides.add(side);

  function ask<T>(run: () => T): Promise<T> {
    if (!here) return Promise.reject(new Error("away"));
    return new Promise((resolve, reject) => {
      asked.push({ run, resolve: resolve as Asked["resolve"], reject });
    });
  }

  async function read(after: Place, channels: readonly string[] | "all", since?: number) {
    const on = side;
    let mark = (_error?: Error): void => {};
    const marked = new Promise<void>((resolve, reject) => {
      mark = (error) => (error ? reject(error) : resolve());
    });
    marked.catch(() => {});
    marks.add(mark);
    const page = await ask(() => {
      const read = server.read(after, channels, since);
      if (on === side) side.pushes.push(() => mark());
      else mark(new Error("lost"));
      return read;
    });
    await marked;
    marks.delete(mark);
    return page;
  }

  const log: CarrierLog = {
    append: ({ n, at, channels, body }) =>
      ask(() => server.append({ from: node, n, at, channels, body })),
    tell: ({ n, at, channels: [channel = ""], body }) =>
      ask(() => server.publish(channel, (to) => to.told({ from: node, n, at, channel, body }))),
    subscribe(channels) {
      const on = side;
      return new Promise((resolve, reject) => {
        waiting.add(reject);
        commands.push(() => {
          for (const channel of channels) on.channels.add(channel);
          on.pushes.push(() => resolve());
        });
      });
    },
    unsubscribe(channels) {
      const on = side;
      commands.push(() => {
        for (const channel of channels) on.channels.delete(channel);
      });
    },
    read,
    look: (id) => ask(() => server.read({ id, mark: "", count: -1 }, "all")),
    async end() {
      const end = await ask(() => server.read(undefined, []).end);
      began ??= end.id;
      return end;
    },
    nodes: () => ask(() => server.sides.size),
    close() {},
  };

  return {
    carrier: {
      node,
      signs,
      isHere: () => here,
      open(_namespace, given) {
        listener = given;
        return log;
      },
      async stop() {},
    },
    began: () => began,
    step(which) {
      if (which === "ask") {
        const next = asked.shift();
        if (!next) return false;
        const answer = next.run();
        answers.push(() => next.resolve(answer));
        waiting.add(next.reject);
        return true;
      }
      const queues = { answer: answers, subscribe: commands, push: side.pushes };
      const next = queues[which].shift();
      // Opened by now: nothing is subscribed to before.
      next?.(listener as CarrierListener);
      return next !== undefined;
    },
    lose() {
      server.sides.delete(side);
      side = { channels: new Set(), pushes: [] };
      server.sides.add(side);
      commands.length = 0;
      listener?.reset();
      for (const mark of marks) mark(new Error("lost"));
      marks.clear();
    },
    leave() {
      if (!here) return;
      here = false;
      listener?.changed(false);
      for (const { reject } of asked.splice(0)) reject(new Error("away"));
      for (const reject of waiting) reject(new Error("away"));
      waiting.clear();
      answers.length = 0;
    },
    back() {
      if (here) return;
      here = true;
      listener?.changed(true);
    },
  };
}
