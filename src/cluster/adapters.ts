import { createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreams } from "@socket.io/redis-streams-adapter";
import { Cluster } from "ioredis";
import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Settings } from "../core/settings.ts";
import { type EnvelopeNeeds, guardClient } from "./envelope.ts";
import { createPubSub } from "./pubsub.ts";
import { createReader, type ReaderNeeds } from "./reader.ts";
import type { Client, RedisLink } from "./redis.ts";

interface Surroundings extends ReaderNeeds {
  readonly link: RedisLink;
}

/** The key of the stream that all nodes share. */
export function streamName({ prefix }: Settings["cluster"]): string {
  return `${prefix}:stream`;
}

/**
 * Returns what makes the adapters of a node's namespaces, over connections to Redis of their own.
 */
export function chooseAdapter(
  settings: Settings["cluster"],
  link: RedisLink,
  needs: ReaderNeeds & Pick<EnvelopeNeeds, "seal" | "samples" | "threw">,
): (namespace: Namespace) => Adapter {
  const { prefix, requestTimeoutMs, messageBytesMax } = settings;
  const surroundings = { ...needs, link };
  const client = calm(link.client, surroundings);
  if (settings.adapter === "streams") {
    return createStreams(client, {
      streamName: streamName(settings),
      channelPrefix: `${prefix}:channel`,
      maxLen: settings.streamPacketsMax,
    });
  }
  const ears = link.patient(settings.adapter === "sharded");
  noteDeafness(ears, needs.lost);
  const listener = calm(ears, surroundings);
  if (settings.adapter === "sharded") {
    // One channel a namespace: with one a room, what is broadcast right after a join would miss the
    // newcomer until its node's subscription has reached Redis.
    const own = { channelPrefix: prefix, subscriptionMode: "static" } as const;
    return createShardedAdapter(client, listener, own);
  }
  const guard = (each: Client) => guardClient(each, { ...needs, link, messageBytesMax });
  return createPubSub({
    ...{ client: guard(client), listener: guard(listener), failed: needs.failed },
    ...{ key: prefix, requestsTimeout: requestTimeoutMs },
  });
}

/**
 * Calls `lost` when a client listens again after a loss of its connection: Redis keeps nothing that
 * was published on a channel meanwhile. A Redis Cluster's client does not say when it was deaf.
 */
function noteDeafness(client: Client, lost: () => void): void {
  if (client instanceof Cluster) return;
  let times = 0;
  client.on("ready", () => {
    const time = ++times;
    if (time === 1) return;
    // Answered after the subscriptions, which were asked for on the same connection before.
    const say = () => time === times && lost();
    client.ping().then(say, () => {});
  });
}

/**
 * A client as the adapters are given it: they leave promises alone whose failure would end the
 * process, and they make readers of it that must outlast an outage.
 */
function calm(client: Client, surroundings: Surroundings): Client {
  const { link, failed } = surroundings;
  let reader: ReturnType<typeof createReader> | undefined;
  return new Proxy(client, {
    get(target, name) {
      if (name === "duplicate") return () => calm(link.patient(), surroundings);
      if (name === "xread") {
        reader ??= createReader(target, link, surroundings);
        return reader;
      }
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
