import type { RedisLink } from "./redis.ts";

/** One connection on which channels are heard. */
export interface Ears {
  /** Resolves when Redis has confirmed them all. */
  subscribe(channels: readonly string[], hear: Hear): Promise<void>;
  /** Leaves alone what another hears. */
  unsubscribe(channels: readonly string[], hear: Hear): void;
  /** Ends the connection. */
  cut(): void;
}

/** What hears the messages of a channel. */
export type Hear = (message: Buffer, channel: string) => void;

/** How many channels one command names. */
const CHUNK = 1_000;

/**
 * Connects to the Redis that has a key and hears channels there; `ended` is called when the
 * connection has been lost. Rejects when it cannot be made.
 */
export async function openEars(link: RedisLink, where: string, ended: () => void): Promise<Ears> {
  const client = await link.listener(where);
  // In a Redis Cluster such a channel is heard, and pushed to, at the master of its slot alone.
  const isSharded = where !== "";
  const hears = new Map<string, Hear>();
  const cut = () => link.cut(client);
  client.on(isSharded ? "smessageBuffer" : "messageBuffer", (channel: Buffer, message: Buffer) => {
    const name = channel.toString();
    hears.get(name)?.(message, name);
  });
  client.once("end", ended);
  // The slot is elsewhere. ioredis drops the command, or does not know what Redis says unasked.
  client.on("moved", cut);
  client.on("error", cut);

  function send(command: "subscribe" | "unsubscribe", channels: readonly string[]) {
    const name = isSharded ? (`s${command}` as const) : command;
    const answers: Promise<unknown>[] = [];
    for (let at = 0; at < channels.length; at += CHUNK) {
      answers.push(client[name](...channels.slice(at, at + CHUNK)));
    }
    return Promise.all(answers);
  }

  return {
    async subscribe(channels, hear) {
      for (const channel of channels) hears.set(channel, hear);
      await send("subscribe", channels);
    },
    unsubscribe(channels, hear) {
      const own = channels.filter((channel) => hears.get(channel) === hear);
      for (const channel of own) hears.delete(channel);
      send("unsubscribe", own).catch(() => {}); // its end says so as well
    },
    cut,
  };
}

/** The connections on which this process hears, one for each Redis. */
export interface EarsPool {
  /** Returns those of the Redis that has a key; made if need be. `ended` follows their end. */
  find(key: string, ended: () => void): Promise<Ears>;
  /** Does not call `ended` any more. */
  leave(ended: () => void): void;
  stop(): void;
}

/** Returns the connections of a process, of which none is made before it is needed. */
export function createEarsPool(link: RedisLink): EarsPool {
  const pool = new Map<string, { users: Set<() => void>; ears: Promise<Ears> }>();

  function at(where: string) {
    const known = pool.get(where);
    if (known) return known;
    const users = new Set<() => void>();
    const made = {
      users,
      ears: openEars(link, where, () => {
        forget();
        for (const ended of [...users]) ended();
      }),
    };
    const forget = () => pool.get(where) === made && pool.delete(where);
    made.ears.catch(forget);
    pool.set(where, made);
    return made;
  }

  return {
    async find(key, ended) {
      const where = await link.whereIs(key);
      const made = at(where);
      const ears = await made.ears;
      if (pool.get(where) !== made) throw new Error("the connection was lost");
      made.users.add(ended);
      return ears;
    },
    leave(ended) {
      for (const { users, ears } of pool.values()) {
        if (!users.delete(ended) || users.size > 0) continue;
        ears.then(
          (each) => each.cut(),
          () => {},
        );
      }
    },
    stop() {
      for (const { ears } of pool.values()) {
        ears.then(
          (each) => each.cut(),
          () => {},
        );
      }
    },
  };
}
