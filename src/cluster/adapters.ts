import { createAdapter as createPubSub, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreams } from "@socket.io/redis-streams-adapter";
import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Settings } from "../core/settings.ts";
import type { Client, RedisLink } from "./redis.ts";

/** What adapters need of the bus. */
export interface AdapterNeeds {
  failed(): void;
  /** Where the stream ended when the node joined: it reads what comes after. */
  readonly streamEnd: Promise<string>;
}

interface Surroundings extends AdapterNeeds {
  readonly link: RedisLink;
}

/** The key of the stream that all nodes share. */
export function streamName({ prefix }: Settings["cluster"]): string {
  return `${prefix}:stream`;
}

/** Returns what makes the adapters of a node's namespaces, over connections to Redis of their own. */
export function chooseAdapter(
  settings: Settings["cluster"],
  link: RedisLink,
  { failed, streamEnd }: AdapterNeeds,
): (namespace: Namespace) => Adapter {
  const { prefix, requestTimeoutMs } = settings;
  const surroundings = { link, failed, streamEnd };
  const client = calm(link.client, surroundings);
  if (settings.adapter === "streams") {
    return createStreams(client, {
      streamName: streamName(settings),
      channelPrefix: `${prefix}:channel`,
      sessionKeyPrefix: `${prefix}:session:`,
      maxLen: settings.streamPacketsMax,
    });
  }
  const listener = calm(link.patient(), surroundings);
  if (settings.adapter === "sharded") {
    // One channel a namespace: with one a room, what is broadcast right after a join would miss the
    // newcomer until its node's subscription has reached Redis.
    const own = { channelPrefix: prefix, subscriptionMode: "static" } as const;
    return createShardedAdapter(client, listener, own);
  }
  return createPubSub(client, listener, { key: prefix, requestsTimeout: requestTimeoutMs });
}

/**
 * A client as the adapters are given it: they leave promises alone whose failure would end the
 * process, and they make readers of it that must outlast an outage.
 */
function calm(client: Client, surroundings: Surroundings): Client {
  const { link, failed, streamEnd } = surroundings;
  return new Proxy(client, {
    get(target, name) {
      if (name === "duplicate") return () => calm(link.patient(), surroundings);
      if (name === "xread") return createReader(target, streamEnd);
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(target, given);
        if (result instanceof Promise) result.catch(failed);
        return result;
      };
    },
  });
}

/** How long a reader pauses after an attempt that failed: the adapter makes the next one at once. */
const READ_PAUSE_MS = 100;

/**
 * Returns `xread` for a reader that begins where the stream ended when the node joined: `$` would
 * mean the end at every new attempt, and skip what came before the first and between two of them.
 */
function createReader(client: Client, streamEnd: Promise<string>) {
  const read = client.xread.bind(client) as (...given: unknown[]) => Promise<unknown>; // of many shapes
  return async (...given: unknown[]) => {
    const from = given.at(-1) === "$" ? await streamEnd : given.at(-1);
    try {
      return await read(...given.slice(0, -1), from);
    } catch (error) {
      // A Redis that refuses (it loads its data, the user may not) would be asked without end, and
      // nothing else would get a turn.
      await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS).unref());
      throw error;
    }
  };
}
