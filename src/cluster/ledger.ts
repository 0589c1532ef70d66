import type { Client, RedisLink } from "./redis.ts";

/** A socket that other nodes speak for when this one dies. */
export interface LeasedSocket {
  readonly id: string;
  readonly namespace: string;
  readonly userId?: string | undefined;
  readonly data?: unknown;
}

/** The sockets of this node, written down in Redis. */
export interface Ledger {
  enter(socket: LeasedSocket): void;
  strike(socket: Pick<LeasedSocket, "id" | "namespace">): void;
  /** Writes everything down again, under the key of the node's lease; the old key is left alone. */
  rewrite(): void;
  /** Forgets everything. */
  clear(): void;
  readonly size: number;
  /** Resolves when what is known is written, or could not be. */
  flushed(): Promise<void>;
}

/** A socket's data is written down up to this size; above, it is told without. */
const ENTRY_CHARS_MAX = 4096;
/** Changes are written together. */
const FLUSH_MS = 20;
/** Entries of one command. */
const CHUNK = 500;
/** How long a half-written ledger may lie around. */
const HALF_MS = 600_000;

/** Returns the name of a socket's entry. */
export function entryName({ namespace, id }: Pick<LeasedSocket, "id" | "namespace">): string {
  return `${namespace},${id}`;
}

/**
 * Returns an empty ledger. It holds one entry a socket, here and in Redis; while Redis is away
 * nothing else is kept, and all of it is written again afterwards.
 */
export function createLedger(link: RedisLink, key: () => string): Ledger {
  const entries = new Map<string, string>();
  const changed = new Set<string>();
  let whole = false;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function soon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush();
    }, FLUSH_MS);
  }

  function flush(): Promise<void> {
    writing = writing.then(async () => {
      try {
        await (whole ? link.ask(writeAll) : writeChanges());
      } catch {
        // Redis is away, or full.
        whole = true;
      }
    });
    return writing;
  }

  async function writeChanges(): Promise<void> {
    const names = [...changed];
    changed.clear();
    for (let at = 0; at < names.length; at += CHUNK) {
      const set: string[] = [];
      const gone: string[] = [];
      for (const name of names.slice(at, at + CHUNK)) {
        const entry = entries.get(name);
        if (entry === undefined) gone.push(name);
        else set.push(name, entry);
      }
      if (set.length > 0) await link.ask((client) => client.hset(key(), ...set));
      if (gone.length > 0) await link.ask((client) => client.hdel(key(), ...gone));
    }
  }

  /** Beside the old one, so that a node that dies meanwhile leaves one of the two. */
  async function writeAll(client: Client): Promise<void> {
    whole = false;
    changed.clear();
    const half = `${key()}:half`;
    const all = [...entries].flat();
    await client.del(half);
    for (let at = 0; at < all.length; at += 2 * CHUNK) {
      await client.hset(half, ...all.slice(at, at + 2 * CHUNK));
      await client.pexpire(half, HALF_MS);
    }
    if (all.length === 0) return void (await client.del(key()));
    await client.rename(half, key());
    await client.persist(key());
  }

  function change(name: string): void {
    // All of it will be written anyway: what changes meanwhile need not be remembered.
    if (!whole) changed.add(name);
    soon();
  }

  return {
    enter(socket) {
      const name = entryName(socket);
      entries.set(name, writeEntry(socket));
      change(name);
    },
    strike(socket) {
      if (entries.delete(entryName(socket))) change(entryName(socket));
    },
    rewrite() {
      whole = true;
      soon();
    },
    clear() {
      entries.clear();
      changed.clear();
    },
    get size() {
      return entries.size;
    },
    async flushed() {
      clearTimeout(timer);
      timer = undefined;
      await flush();
    },
  };
}

function writeEntry({ id, namespace, userId, data }: LeasedSocket): string {
  const bare = JSON.stringify({ id, namespace, userId });
  try {
    const full = JSON.stringify({ id, namespace, userId, data });
    return full.length > ENTRY_CHARS_MAX ? bare : full;
  } catch {
    // A bigint, or data that holds itself.
    return bare;
  }
}
