import { randomBytes } from "node:crypto";
import { Cluster, type Redis, type RedisOptions } from "ioredis";
import { messageOf } from "../core/failures.ts";
import { within } from "../core/within.ts";
import { type Client, createConnect, type RedisAddress } from "./connect.ts";
import { insistOnSubscriptions } from "./subscriptions.ts";

export type { Client } from "./connect.ts";

/** What becomes of a Redis that was asked. */
export interface RedisSeen {
  /** It answers, or does no longer. */
  changed(here: boolean, why: string): void;
  /** A connection had to be made again. */
  reconnected(): void;
  failed(): void;
}

/** How Redis is reached, and what may wait for it. */
export interface RedisSettings extends RedisAddress {
  readonly timeoutMs: number;
  readonly pendingMax: number;
}

/** The connection on which a node asks Redis; others are made from it. */
export interface RedisLink {
  /** What this process' connections are called in Redis; nobody else's are. */
  readonly name: string;
  readonly client: Client;
  /** The number of the database; channels, unlike keys, are those of all. */
  readonly database: number;
  /** Whether Redis answered lately. */
  isHere(): boolean;
  /** What the last connection failed with, or nothing. */
  trouble(): string;
  /** Resolves with the answer, or rejects at once when Redis is away or becomes so meanwhile. */
  ask<T>(command: (client: Client) => Promise<T>): Promise<T>;
  /**
   * Returns another connection, one that waits for Redis for as long as it takes, and asks again
   * for a subscription that was refused.
   */
  patient(): Client;
  /** Returns the name of the Redis that has a key; of one without a cluster it is empty. */
  whereIs(key: string): Promise<string>;
  /**
   * Returns another connection to a Redis that `whereIs` has named, once it is ready. When it is
   * lost it ends; what was subscribed to on it is not subscribed to again.
   */
  listener(where: string): Promise<Redis>;
  /** Has a connection on which Redis is silent made again. */
  cut(client: Client): void;
  /** Resolves when Redis has answered once. */
  ready(): Promise<void>;
  /** Calls `changed` whenever Redis is here again, or away; once at the start. */
  watch(changed: (here: boolean) => void): void;
  /** Whether somebody has subscribed to a channel. */
  isHeard(channel: string): Promise<boolean>;
  /** Ends the connections of another process, which Redis may take for alive for minutes. */
  cutOff(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** How long a connection that is ended may take to flush. */
const DISCONNECT_MS = 100;
/** What ioredis calls the states of a connection on which Redis may be silent. */
const OPEN: ReadonlySet<string> = new Set(["connect", "ready"]);

/**
 * Connects to Redis and keeps asking whether it is there.
 *
 * While it is away every question is refused at once: nothing waits in memory for it to return.
 * It is away when the connection is lost, or when it did not answer a ping within `timeoutMs`.
 */
export function openRedis(settings: RedisSettings, seen: RedisSeen): RedisLink {
  const { timeoutMs, pendingMax } = settings;
  const connect = createConnect(settings);
  const name = `sluice-${randomBytes(9).toString("base64url")}`;
  const clients = new Set<Client>();
  const listening = new Set<Client>();
  /** Where listeners have been. */
  const heard = new Set<string>();
  const watchers: ((here: boolean) => void)[] = [];
  let trouble = "";
  let stopped = false;
  const optionsOf = (patient: boolean): RedisOptions => ({
    enableOfflineQueue: patient,
    maxRetriesPerRequest: patient ? null : 0,
    connectTimeout: timeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    sentinelCommandTimeout: timeoutMs,
    connectionName: name,
  });
  const open = (patient: boolean): Client => {
    const client = connect(optionsOf(patient));
    client.setMaxListeners(0); // each namespace's adapter has its own
    let ended = false;
    client.on("error", (error: Error & { lastNodeError?: Error }) => {
      trouble = (error.lastNodeError ?? error).message;
      seen.failed();
    });
    client.on("close", () => {
      ended = true;
    });
    client.on("ready", () => {
      if (ended) seen.reconnected();
    });
    clients.add(client);
    if (patient) {
      insistOnSubscriptions(client, {
        failed: seen.failed,
        isStopped: () => stopped,
        pause,
        listens: () => void listening.add(client),
      });
    }
    return client;
  };
  const client = open(false);
  const waiting = new Set<(error: Error) => void>();
  const arrivals: (() => void)[] = [];
  let here = false;

  function change(now: boolean, why: string): void {
    if (now === here) return;
    here = now;
    if (now) for (const arrived of arrivals.splice(0)) arrived();
    else {
      for (const refuse of waiting) refuse(new Error(`Redis is away: ${why}`));
      waiting.clear();
    }
    if (stopped) return;
    seen.changed(now, why);
    for (const changed of watchers) changed(now);
  }

  async function check(): Promise<void> {
    clearTimeout(timer);
    const askedAt = performance.now();
    for (const each of listening) void checkListener(each);
    try {
      if (!here) await connectAll();
      await ping(client, timeoutMs);
      change(true, "it answered");
      cutAt = performance.now();
    } catch (error) {
      note(error);
      change(false, messageOf(error));
      if (!stopped && askedAt - cutAt >= timeoutMs) {
        cutAt = performance.now();
        for (const each of clients) cut(each);
      }
    }
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(check, Math.min(1_000, timeoutMs)).unref();
  }

  /**
   * A cluster's client connects to a master when something is first sent there, and refuses what
   * comes until it is connected. One that cannot be reached is no reason to wait for longer.
   */
  async function connectAll(): Promise<void> {
    if (!(client instanceof Cluster) || client.status !== "ready") return;
    const masters = client.nodes("master");
    await Promise.all(masters.map((each) => ping(each, timeoutMs).catch(() => {})));
  }

  /** One on which nothing comes looks like one that is silent. */
  async function checkListener(each: Client): Promise<void> {
    // A cluster's has connections of its own for that.
    if (each instanceof Cluster || each.status !== "ready") return;
    await ping(each, timeoutMs).catch((error) => {
      if (error instanceof LateError) cut(each);
    });
  }

  /**
   * A silent Redis keeps its connections: what was asked on them would wait, and pile up. One that
   * is being made is left alone: it has a time limit of its own, and ends for good when it is cut
   * while a Sentinel is asked.
   */
  function cut(each: Client): void {
    if (OPEN.has(each.status)) disconnect(each, true);
  }
  /** What Redis itself refuses a node with. */
  function note(error: unknown): void {
    if (error instanceof Error && error.name === "ReplyError") trouble = error.message;
  }
  let cutAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  client.on("ready", () => void check());
  client.on("close", () => change(false, "the connection was lost"));
  // Not only once it is ready: who is silent from the start is cut off, too.
  void check();

  /**
   * A handshake of TLS that is broken off can fail a second time, at what Redis says to that;
   * ioredis hears of the first failure only, and the second would end the process.
   */
  function disconnect(each: Client, again?: boolean): void {
    const all = each instanceof Cluster ? each.nodes("all") : [each];
    for (const { stream } of all) stream?.on("error", () => {});
    each.disconnect(again);
  }

  async function whereIs(key: string): Promise<string> {
    if (!(client instanceof Cluster)) return "";
    const cluster = client;
    const slot = Number(await cluster.cluster("KEYSLOT", key));
    // A slot that has moved is known to have when a command was sent to where it was.
    await new Promise((resolve) => cluster.refreshSlotsCache(resolve));
    const [where] = client.slots[slot] ?? [];
    if (where === undefined) throw new Error(`no Redis has slot ${slot}`);
    return where;
  }

  async function listener(where: string): Promise<Redis> {
    const options: RedisOptions = {
      ...optionsOf(false),
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
    };
    const one = connectOnce(options, where);
    clients.add(one);
    one.on("error", (error: Error) => {
      trouble = error.message;
      seen.failed();
    });
    one.on("end", () => void clients.delete(one));
    await new Promise<void>((resolve, reject) => {
      one.once("ready", resolve);
      one.once("end", () => reject(new Error("Redis ended the connection")));
    });
    if (heard.has(where)) seen.reconnected();
    heard.add(where);
    return one;
  }

  function connectOnce(options: RedisOptions, where: string): Redis {
    // A client of one Redis, unless the address is a cluster's.
    if (!(client instanceof Cluster)) return connect(options) as Redis;
    const nodes = client.nodes("master");
    const master = nodes.find(({ options: { host, port } }) => `${host}:${port}` === where);
    if (!master) throw new Error(`there is no master at ${where}`);
    return master.duplicate({ ...options, lazyConnect: false, readOnly: false });
  }

  const nodesOf = (one: Client) => (one instanceof Cluster ? one.nodes() : [one]);

  function ask<T>(command: (client: Client) => Promise<T>): Promise<T> {
    if (!here) return Promise.reject(new Error("Redis is away"));
    if (waiting.size >= pendingMax) return Promise.reject(new Error("Redis is too slow"));
    // What throws at once is a failure like any other.
    const run = async () => command(client);
    return new Promise((resolve, reject) => {
      waiting.add(reject);
      run()
        .catch((error: unknown) => {
          note(error);
          throw error;
        })
        .then(resolve, reject)
        .finally(() => waiting.delete(reject));
    });
  }

  return {
    name,
    client,
    database: client instanceof Cluster ? 0 : (client.options.db ?? 0),
    isHere: () => here,
    trouble: () => trouble,
    watch(changed) {
      watchers.push(changed);
      changed(here);
    },
    async cutOff(other) {
      for (const each of nodesOf(client)) {
        const all = String(await each.client("LIST"));
        for (const line of all.split("\n")) {
          // A cluster's listeners have it within a longer name.
          const [, id, whose] = line.match(/^id=(\d+) .* name=(\S*) /) ?? [];
          if (id && whose?.includes(other)) await each.client("KILL", "ID", id);
        }
      }
    },
    ask,
    cut,
    isHeard: (channel) =>
      ask(async (one) => {
        // Each knows of its own subscribers only.
        const counts = nodesOf(one).map((each) => each.pubsub("NUMSUB", channel));
        return (await Promise.all(counts)).some(([, count]) => Number(count) > 0);
      }),
    patient: () => open(true),
    whereIs,
    listener,
    ready: () => (here ? Promise.resolve() : new Promise((resolve) => arrivals.push(resolve))),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      for (const each of clients) disconnect(each);
    },
  };
}

class LateError extends Error {}

/** Resolves when Redis has answered; rejects after `ms`. */
function ping(client: Client, ms: number): Promise<unknown> {
  return within<unknown>(client.ping(), ms, () => {
    throw new LateError(`no answer within ${ms} ms`);
  });
}

/** How long a Redis that refused is left alone. */
const REFUSED_MS = 100;

/** Resolves when a Redis that refused may be asked again. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REFUSED_MS).unref());
}
