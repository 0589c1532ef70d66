import type { Lease } from "./lease.ts";
import { createLedger } from "./ledger.ts";
import type { Claimed } from "./recover.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";
import { CLAIM, KEEP, LOSE, RECLAIM } from "./session-scripts.ts";
import { type LiveSession, readSession, writeSession } from "./session-text.ts";

/** What sessions are kept by. */
export interface SessionsSettings {
  /** How long a client may be away. */
  readonly windowMs: number;
  readonly leaseMs: number;
  /** Largest session that is kept, in bytes. */
  readonly bytesMax: number;
}

/** What keeping sessions needs. */
export interface SessionsNeeds {
  readonly link: RedisLink;
  readonly lease: Lease;
  readonly seal: Seal;
  /** Resolves when the calls of sockets that are gone are written down. */
  written(): Promise<void>;
  /** These sessions go on at another node: their sockets here are to be closed. */
  moved(names: readonly string[]): void;
}

/** What sessions count, as plain numbers. */
export interface SessionsSamples {
  /** Sessions of living sockets that Redis has, or is about to have. */
  kept: number;
  /** Sessions that cannot be written, or are too large. */
  unfit: number;
}

/**
 * The sessions of all nodes, in Redis. A name is the namespace, a comma and the session's secret.
 */
export interface Sessions {
  /** The session of a socket that lives, for when this node dies. */
  keep(name: string, session: LiveSession): void;
  /** The socket is gone. */
  drop(name: string): void;
  /** The socket is gone, and its client may come back within the window. */
  lose(name: string, session: LiveSession): void;
  /** Takes the session of a client that comes back; nobody else gets it then. */
  claim(name: string, pid: string): Promise<Claimed | undefined>;
  /** Resolves when the sessions of living sockets are written, or could not be. */
  flushed(): Promise<void>;
  samples(): SessionsSamples;
  stop(): Promise<void>;
}

/** Sessions of one command. */
const CHUNK = 200;
/**
 * How long a client waits for its session to be lost, or its node to be found dead, step by step:
 * Redis may hear later than the client that a connection is gone.
 */
const WAITS_MS = [0, 50, 100, 150, 300, 400];

/**
 * Keeps sessions in Redis, those of living sockets too.
 *
 * A node's living sessions are recovered when it is dead: its lease has been taken, or its
 * connections to Redis are gone. The second can be an error, for a moment: so a node hears, with
 * every renewal of its lease, which of its sessions have moved. They are kept for a window after
 * its lease ends.
 */
export function createSessions(
  { windowMs, leaseMs, bytesMax }: SessionsSettings,
  { link, lease, seal, written, moved }: SessionsNeeds,
): Sessions {
  const { prefix } = lease;
  const keepers = `${prefix}keepers`;
  const keptMs = leaseMs + windowMs;
  const samples: SessionsSamples = { kept: 0, unfit: 0 };
  const livesChannel = (name: string) => `${prefix}lives:${name}`;
  const movedKey = (name: string) => `${prefix}moved:${name}`;
  let node: string | undefined;
  /** Redis may not have what the ledger says. */
  let stale = true;
  const ledger = createLedger({
    link,
    key: () => (node === undefined ? undefined : `${prefix}sessions:${node}`),
    keptMs,
  });
  const unfit = new Set<string>();
  /** Sessions whose sockets are gone, until their turn comes to be written. */
  const lost = new Map<string, string>();
  /** The same, until Redis has answered, or they go on elsewhere. */
  const losing = new Map<string, string>();
  let isWriting = false;
  const gone = new Set<string>();

  link.watch((here) => {
    if (here) stale = true;
  });
  const follower = {
    async renewed(name: string) {
      node = name;
      const names = await run(KEEP, keysOf(name), [name, keptMs]);
      tell(names);
      // Not before: what is written as lost meanwhile is compared with them.
      for (let at = 0; at < names.length; at += CHUNK) {
        const some = names.slice(at, at + CHUNK);
        await link.ask((client) => client.srem(movedKey(name), ...some));
      }
      if (stale) ledger.rewrite();
      stale = false;
    },
    async taken(name: string) {
      tell(await run(RECLAIM, keysOf(name), [name]));
      node = undefined;
      stale = true;
    },
  };
  // As long as somebody listens there, this node's process lives; before that, nothing is kept.
  const subscriber = link.patient();
  void subscriber.subscribe(livesChannel(link.name)).then(() => lease.accompany(follower));

  function keysOf(name: string): string[] {
    return [keepers, `${prefix}sessions:${name}`, movedKey(name)];
  }

  async function run(script: string, keys: string[], given: (string | number)[]) {
    const answer = await link.ask((client) => client.eval(script, keys.length, ...keys, ...given));
    return answer as string[]; // every script answers with texts
  }

  function tell(names: string[]): void {
    if (names.length === 0) return;
    for (const name of names) {
      gone.add(name);
      losing.delete(name);
      ledger.strike(name);
    }
    moved(names);
    for (const name of names) gone.delete(name);
  }

  function write(name: string, session: LiveSession): string | undefined {
    const text = writeSession(session, { name, seal }, bytesMax);
    if (text === undefined && !unfit.has(name)) {
      unfit.add(name);
      samples.unfit++;
    }
    if (text !== undefined) unfit.delete(name);
    return text;
  }

  async function flushLost(): Promise<void> {
    while (lost.size > 0) {
      const turn = [...lost];
      lost.clear();
      // Whoever takes the session looks for older calls of its socket. Who is lost meanwhile has
      // others, and comes next.
      await written();
      await writeLost(turn.filter(isLosing));
    }
    isWriting = false;
  }

  async function writeLost(sessions: [name: string, text: string][]): Promise<void> {
    const own = node ?? lease.node;
    const keys = [`${prefix}sessions:${own}`, `${prefix}taken:${own}`, movedKey(own)];
    const tasks: Promise<unknown>[] = [];
    for (let at = 0; at < sessions.length; at += CHUNK) {
      const some = sessions.slice(at, at + CHUNK).flat();
      tasks.push(run(LOSE, keys, [prefix, windowMs, ...some]));
    }
    // Redis is away: those clients are told that they were not recovered.
    await Promise.allSettled(tasks);
    for (const each of sessions) {
      if (!isLosing(each)) continue;
      const [name] = each;
      losing.delete(name);
      ledger.strike(name);
    }
  }

  function isLosing([name, text]: [name: string, text: string]): boolean {
    return losing.get(name) === text;
  }

  async function claim(name: string, dead: string) {
    const { speaks } = lease;
    const given = [prefix, name, lease.node, speaks ? "1" : "0", dead, keptMs];
    const [holder, text, record] = await run(CLAIM, [keepers], given);
    if (record) lease.takeOver(record);
    return { holder, text };
  }

  return {
    keep(name, session) {
      const text = write(name, session);
      if (text === undefined) return ledger.strike(name);
      if (ledger.read(name) !== text) ledger.enter(name, text);
    },
    drop(name) {
      unfit.delete(name);
      // Else it is struck when Redis has it as lost.
      if (!losing.has(name)) ledger.strike(name);
    },
    lose(name, session) {
      if (gone.has(name)) return;
      const text = write(name, session);
      unfit.delete(name);
      if (text === undefined) return;
      lost.set(name, text);
      losing.set(name, text);
      if (!isWriting) queueMicrotask(flushLost);
      isWriting = true;
      // Who comes before it is written as lost must find it, and waits then. Without checkpoints,
      // or when its client was refused, it is not there.
      if (ledger.read(name) === undefined) ledger.enter(name, text);
    },
    async claim(name, pid) {
      let dead = "";
      for (const waitMs of WAITS_MS) {
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        // Its socket was here, and is gone. It may have been to another node since.
        if (losing.has(name)) continue;
        let { holder, text } = await claim(name, dead);
        if (text === undefined && holder !== undefined && holder !== dead) {
          const process = holder.slice(0, holder.lastIndexOf("."));
          if (process === link.name) return undefined;
          if (await link.isHeard(livesChannel(process))) continue;
          dead = holder;
          ({ holder, text } = await claim(name, dead));
        }
        if (text !== undefined) {
          const session = readSession(text, pid, { name, seal });
          return session && { session, mayLag: holder !== "" };
        }
        if (holder === undefined) return undefined;
      }
      return undefined;
    },
    flushed: ledger.flushed,
    samples() {
      samples.kept = ledger.size;
      return samples;
    },
    async stop() {
      subscriber.disconnect();
      await ledger.flushed();
      if (ledger.size > 0 || node === undefined) return;
      await run(RECLAIM, keysOf(node), [node]).catch(() => {});
    },
  };
}
