import type { Redis } from "ioredis";
import { measurePairs } from "../../rig/rounds.ts";
import type { Context, Round } from "../../rig/scenario.ts";
import { startServer } from "../../rig/servers.ts";
import { openRedis, openSite, readInfo, redisCommand } from "../../rig/site.ts";
import type { How } from "./row.ts";

/** Names of one command. */
const CHUNK = 1_000;
const POLL_MS = 5;
const TIMEOUT_MS = 60_000;

/** A node that is subscribed to the rooms of so many sockets, against a plain client of Redis. */
export async function measureOwnRooms(context: Context, how: How): Promise<void> {
  if (!how.wants("own-rooms")) return;
  const rooms = how.isSmall ? 1_000 : 20_000;
  const names = Array.from({ length: rooms }, (_, n) => `${n}`.padStart(20, "-"));
  const plan = { what: "cluster: own-rooms", subjects: ["ours", "plain client"], blocks: 1 };
  await measurePairs(context, plan, async ({ subject, pair }): Promise<Round> => {
    const values = subject === "ours" ? await ours(context, names) : await plain(context, names);
    await context.closeAll();
    return { subject, pair, params: { row: "own-rooms", rooms }, values };
  });
}

/** Rooms of the length of a socket's id: all of one socket, or none would have the descriptors. */
async function ours(context: Context, names: readonly string[]) {
  const site = await openSite(context, { kind: "ours", nodes: 1 });
  const { redis, controls } = site;
  if (!redis || !controls[0]) throw new Error("the site has no Redis");
  const { socket } = controls[0];
  const told = await watchSubscriptions(redis.client, names.length, async () => {
    for (let at = 0; at < names.length; at += CHUNK) {
      const rooms = names.slice(at, at + CHUNK);
      const joined: unknown = await socket.timeout(TIMEOUT_MS).emitWithAck("join", rooms);
      if (joined !== rooms.length) throw new Error(`not joined: ${JSON.stringify(joined)}`);
    }
  });
  return told;
}

async function plain(context: Context, names: readonly string[]) {
  const { server, client: core } = context.placement;
  const redis = await startServer(redisCommand, context, [server, core]);
  const client = openRedis(context, redis);
  const listener = openRedis(context, redis, { retryStrategy: () => 20 });
  const told = await watchSubscriptions(client, names.length, async () => {
    for (let at = 0; at < names.length; at += CHUNK)
      await listener.subscribe(...names.slice(at, at + CHUNK).map((name) => `sluice:{/}::${name}`));
  });
  return told;
}

/** What subscriptions take of Redis, and how long they are gone when their connection is cut. */
async function watchSubscriptions(client: Redis, count: number, begin: () => Promise<void>) {
  const look = async () => ({
    bytes: await readInfo(client, "used_memory"),
    channels: await readInfo(client, "pubsub_channels"),
  });
  await client.ping();
  const before = await look();
  const beganMs = performance.now();
  await begin();
  await reach(client, before.channels + count);
  const joinedMs = performance.now() - beganMs;
  const after = await look();
  const cutMs = performance.now();
  await client.call("CLIENT", "KILL", "TYPE", "pubsub");
  await reach(client, before.channels + count);
  const heardMs = performance.now() - cutMs;
  return {
    redis_bytes_per_channel: (after.bytes - before.bytes) / count,
    joined_per_s: (count / joinedMs) * 1000,
    heard_again_ms: heardMs,
    heard_again_per_s: (count / heardMs) * 1000,
  };
}

/** Waits until Redis has so many channels. */
async function reach(client: Redis, least: number) {
  const endMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const channels = await readInfo(client, "pubsub_channels");
    if (channels >= least) return;
    if (performance.now() > endMs) throw new Error(`Redis has ${channels} channels, not ${least}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
