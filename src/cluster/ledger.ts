import type { Client, RedisLink } from "./redis.ts";

/** A text as it was entered. */
export interface LedgerRecord {
  readonly text: string;
}

/** Named texts of this node, written down in Redis. */
export interface Ledger {
  enter(name: string, text: string): LedgerRecord;
  /** Strikes a text out; with `only`, unless another has been entered since. */
  strike(name: string, only?: LedgerRecord): void;
  read(name: string): string | undefined;
  /** Writes everything down again, under the key of now; the old key is left alone. */
  rewrite(): void;
  /** Forgets everything. */
  clear(): void;
  readonly size: number;
  /** Resolves when what is known is written, or could not be. */
  flushed(): Promise<void>;
}

/** How a ledger is kept. */
export interface LedgerNeeds {
  readonly link: RedisLink;
  /** The key of now; undefined while there is none. */
  key(): string | undefined;
  /** Changes of so many milliseconds are written together; without, those of a moment. */
  readonly flushMs?: number;
  /** For how long it is kept after it was written; without, for good. */
  readonly keptMs?: number;
}

/** Records of one command. */
const CHUNK = 500;
/** How long a half-written ledger may lie around. */
const HALF_MS = 600_000;

/**
 * Returns an empty ledger. It holds one record a name, here and in Redis; while Redis is away
 * nothing else is kept, and all of it is written again afterwards.
 */
export function createLedger({ link, key, flushMs, keptMs }: LedgerNeeds): Ledger {
  const records = new Map<string, LedgerRecord>();
  const changed = new Set<string>();
  let whole = false;
  let timer: NodeJS.Timeout | undefined;
  let planned = false;
  let writing: Promise<void> = Promise.resolve();

  function soon(): void {
    if (planned) return;
    planned = true;
    if (flushMs === undefined) queueMicrotask(flush);
    else timer = setTimeout(flush, flushMs);
  }

  function flush(): Promise<void> {
    writing = writing.then(async () => {
      clearTimeout(timer);
      planned = false;
      const now = key();
      if (now === undefined) return;
      try {
        await (whole ? link.ask((client) => writeAll(client, now)) : writeChanges(now));
      } catch {
        // Redis is away, or full.
        whole = true;
      }
    });
    return writing;
  }

  async function writeChanges(now: string): Promise<void> {
    const names = [...changed];
    changed.clear();
    for (let at = 0; at < names.length; at += CHUNK) {
      const set: string[] = [];
      const gone: string[] = [];
      for (const name of names.slice(at, at + CHUNK)) {
        const record = records.get(name);
        if (record === undefined) gone.push(name);
        else set.push(name, record.text);
      }
      const tasks: Promise<unknown>[] = [];
      if (set.length > 0) tasks.push(link.ask((client) => client.hset(now, ...set)));
      if (gone.length > 0) tasks.push(link.ask((client) => client.hdel(now, ...gone)));
      if (keptMs) tasks.push(link.ask((client) => client.pexpire(now, keptMs)));
      await Promise.all(tasks);
    }
  }

  /** Beside the old one, so that a node that dies meanwhile leaves one of the two. */
  async function writeAll(client: Client, now: string): Promise<void> {
    whole = false;
    changed.clear();
    const half = `${now}:half`;
    const all = [...records].flatMap(([name, { text }]) => [name, text]);
    await client.del(half);
    for (let at = 0; at < all.length; at += 2 * CHUNK) {
      await client.hset(half, ...all.slice(at, at + 2 * CHUNK));
      await client.pexpire(half, HALF_MS);
    }
    if (all.length === 0) return void (await client.del(now));
    await client.rename(half, now);
    await (keptMs ? client.pexpire(now, keptMs) : client.persist(now));
  }

  function change(name: string): void {
    // All of it will be written anyway: what changes meanwhile need not be remembered.
    if (!whole) changed.add(name);
    soon();
  }

  return {
    enter(name, text) {
      const record = { text };
      records.set(name, record);
      change(name);
      return record;
    },
    strike(name, only) {
      if (only && records.get(name) !== only) return;
      if (records.delete(name)) change(name);
    },
    read: (name) => records.get(name)?.text,
    rewrite() {
      whole = true;
      soon();
    },
    clear() {
      records.clear();
      changed.clear();
    },
    get size() {
      return records.size;
    },
    flushed: flush,
  };
}
