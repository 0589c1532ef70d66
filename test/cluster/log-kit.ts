import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type BusSamples, type Carrier, createSamples } from "../../src/cluster/log/carrier.ts";
import type { Bus, Entry, EventLog, Reached } from "../../src/cluster/log/event-log.ts";
import { createBus } from "../../src/cluster/log/feed.ts";
import { createRedisCarrier, type RedisLogSettings } from "../../src/cluster/log/redis.ts";
import { openRedis, type RedisLink } from "../../src/cluster/redis.ts";

/** How many entries the logs of these tests keep. */
export const PACKETS_MAX = 200;

/** Returns the bus over a carrier. */
export function fed(
  carrier: Carrier,
  samples: BusSamples = createSamples(),
  heldBytesMax = 1e8,
): Bus {
  const threw = (error: unknown) => {
    throw error;
  };
  return createBus(carrier, { samples, lagged() {}, threw, heldBytesMax });
}

/** A node's bus through Redis, and what is behind it. */
export interface RedisBus {
  readonly bus: Bus;
  readonly link: RedisLink;
  readonly samples: BusSamples;
}

/** Returns a node's bus through Redis, once that is here. */
export async function redisBus(
  t: TestContext,
  redisUrl: string,
  { heldBytesMax, ...more }: Partial<RedisLogSettings> & { readonly heldBytesMax?: number } = {},
): Promise<RedisBus> {
  const address = { redisCaFile: "", redisCertFile: "", redisKeyFile: "", redisServerName: "" };
  const { timeoutMs = 5_000, pendingMax = 10_000 } = more;
  const samples = createSamples();
  const seen = {
    changed() {},
    reconnected: () => void samples.reconnects++,
    failed: () => void samples.errors++,
  };
  const link = openRedis({ redisUrl, ...address, timeoutMs, pendingMax }, seen);
  t.after(() => link.stop());
  await link.ready();
  const kept = { streamPacketsMax: PACKETS_MAX, messageBytesMax: 1e6 };
  const settings = { prefix: "sluice", busKey: "", timeoutMs, pendingMax, ...kept, ...more };
  const carrier = createRedisCarrier(settings, { link, samples });
  return { bus: fed(carrier, samples, heldBytesMax), link, samples };
}

/** One node with one log, and what it has heard. */
export interface Node {
  readonly bus: Bus;
  readonly log: EventLog<string>;
  readonly heard: string[];
  readonly entries: Entry[];
  lost: number;
  /** Called inside `heard`. */
  inside(text: string): void;
}

/** Opens a log of a node. */
export function openNode(t: TestContext, bus: Bus, namespace = "/"): Node {
  t.after(() => bus.stop());
  const heard: string[] = [];
  const entries: Entry[] = [];
  const log = bus.open<string>(namespace, {
    heard(entry, own) {
      const text = Buffer.from(entry.body).toString();
      if (own !== undefined) assert.equal(own, text);
      heard.push(own === undefined ? text : `${text} (own)`);
      entries.push(entry);
      node.inside(text);
    },
    told: (from, body) => heard.push(`${Buffer.from(body)} from ${from}`),
    lost: () => void node.lost++,
  });
  const node: Node = { bus, log, heard, entries, lost: 0, inside() {} };
  return node;
}

/** Appends a text that this node knows again. */
export function say(node: Node, channels: readonly string[], text: string) {
  return node.log.append(channels, Buffer.from(text), text);
}

/** Returns how many nodes a message has reached. */
export function countOf(reached: Reached): number {
  return typeof reached === "number" ? reached : reached.length;
}
