import { createAdapter as createPubSub, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreams } from "@socket.io/redis-streams-adapter";
import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Settings } from "../core/settings.ts";
import type { Client, RedisLink } from "./redis.ts";

/** Returns what makes the adapters of a node's namespaces, over connections to Redis of their own. */
export function chooseAdapter(
  settings: Settings["cluster"],
  link: RedisLink,
  failed: () => void,
): (namespace: Namespace) => Adapter {
  const { prefix, requestTimeoutMs } = settings;
  const client = calm(link.client, link, failed);
  if (settings.adapter === "streams") {
    return createStreams(client, {
      streamName: `${prefix}:stream`,
      channelPrefix: `${prefix}:channel`,
      sessionKeyPrefix: `${prefix}:session:`,
      maxLen: settings.streamPacketsMax,
    });
  }
  const listener = calm(link.patient(), link, failed);
  if (settings.adapter === "sharded") {
    return createShardedAdapter(client, listener, { channelPrefix: prefix });
  }
  return createPubSub(client, listener, { key: prefix, requestsTimeout: requestTimeoutMs });
}

/**
 * A client as the adapters are given it: they leave promises alone whose failure would end the
 * process, and they make readers of it that must outlast an outage.
 */
function calm(client: Client, link: RedisLink, failed: () => void): Client {
  return new Proxy(client, {
    get(target, name) {
      if (name === "duplicate") return () => calm(link.patient(), link, failed);
      if (name === "xread") return createReader(target);
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

/**
 * Returns `xread` for a reader that begins where the stream ends now: `$` would mean the end at
 * every new attempt, and skip what came between two of them.
 */
function createReader(client: Client): (...given: unknown[]) => Promise<unknown> {
  const read = client.xread.bind(client) as (...given: unknown[]) => Promise<unknown>; // of many shapes
  const id = starts.get(client) ?? { last: undefined };
  starts.set(client, id);
  return async (...given) => {
    if (given.at(-1) !== "$") return read(...given);
    if (id.last === undefined) {
      const [newest] = await client.xrevrange(String(given.at(-2)), "+", "-", "COUNT", 1);
      id.last = newest?.[0] ?? "0-0";
    }
    return read(...given.slice(0, -1), id.last);
  };
}

/** Where readers began that have not read anything yet. */
const starts = new WeakMap<Client, { last: string | undefined }>();
