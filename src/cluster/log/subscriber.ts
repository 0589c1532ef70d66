import type { RedisLink } from "../redis.ts";

/** One connection to Redis that subscribes to channels. */
export interface Subscriber {
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
async function openSubscriber(
  link: RedisLink,
  where: string,
  ended: () => void,
): Promise<Subscriber> {
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

/** The subscriber connections of this process, one for each Redis. */
export interface SubscriberPool {
  /** Returns that of the Redis that has a key; connects if need be. `ended` follows its end. */
  find(key: string, ended: () => void): Promise<Subscriber>;
  /** Does not call `ended` any more. */
  leave(ended: () => void): void;
  stop(): void;
}

/** Returns the subscriber connections of a process; none is made before it is needed. */
export function createSubscriberPool(link: RedisLink): SubscriberPool {
  const pool = new Map<string, { users: Set<() => void>; subscriber: Promise<Subscriber> }>();

  function at(where: string) {
    const known = pool.get(where);
    if (known) return known;
    const users = new Set<() => void>();
    const made = {
      users,
      subscriber: openSubscriber(link, where, () => {
        forget();
        for (const ended of [...users]) ended();
      }),
    };
    const forget = () => pool.get(where) === made && pool.delete(where);
    made.subscriber.catch(forget);
    pool.set(where, made);
    return made;
  }

  /** Ends a connection, or one that is still being made. */
  function cut({ subscriber }: { readonly subscriber: Promise<Subscriber> }): void {
    subscriber.then(
      (each) => each.cut(),
      () => {},
    );
  }

  return {
    async find(key, ended) {
      const where = await link.whereIs(key);
      const made = at(where);
      const subscriber = await made.subscriber;
      if (pool.get(where) !== made) throw new Error("the connection was lost");
      made.users.add(ended);
      return subscriber;
    },
    leave(ended) {
      for (const one of pool.values()) {
        if (one.users.delete(ended) && one.users.size === 0) cut(one);
      }
    },
    stop() {
      for (const one of pool.values()) cut(one);
    },
  };
}
