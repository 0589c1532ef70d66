import type { TestContext } from "node:test";
import { Redis } from "ioredis";
import type { Socket as ServerSocket } from "socket.io";
import type { Socket as Client } from "socket.io-client";
import { createFraming } from "../../src/cluster/log/frame.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type ClientOptions, type TestGateway, testGateway } from "../harness/gateway.ts";
import type { TestRedis } from "../harness/redis.ts";
import { next, until } from "../harness/wait.ts";

/** Recovery as these tests have it. */
export const RECOVERY = { windowMs: 60_000 };

/** Starts two gateways that hear each other. */
export async function twoNodes(
  t: TestContext,
  urls: readonly [string, string],
  more: PartialSettings = {},
): Promise<[TestGateway, TestGateway]> {
  const start = (redisUrl: string) =>
    testGateway(t, {
      recovery: RECOVERY,
      ...more,
      // A busy machine is no outage.
      cluster: { redisUrl, timeoutMs: 10_000, ...more.cluster },
    });
  const nodes: [TestGateway, TestGateway] = [await start(urls[0]), await start(urls[1])];
  await until(async () => {
    const seen = await Promise.all(nodes.map(({ io }) => io.of("/").adapter.serverCount()));
    return seen.every((count) => count === 2);
  }, "two nodes");
  return nodes;
}

/** Two gateways behind Redis, or one with everything in memory in the place of both. */
export async function nodesOver(
  t: TestContext,
  redis: TestRedis | undefined,
  more: PartialSettings = {},
): Promise<readonly [TestGateway, TestGateway]> {
  if (redis) return twoNodes(t, [redis.url, redis.url], more);
  const one = await testGateway(t, { recovery: RECOVERY, ...more });
  return [one, one] as const;
}

/** Connects a client whose socket is in a room, and notes what it hears. */
export async function member(node: TestGateway, room: string, options: ClientOptions = {}) {
  const { client, socket } = await node.joined(options);
  socket.join(room);
  const heard: unknown[] = [];
  client.on("n", (n: unknown) => heard.push(n));
  return { client, socket, heard };
}

/** The log of the namespace "/" in Redis. */
export const LOG = "sluice:{/}:log";

/** Who appends to the log of "/", and tells nodes something, without being one of them. */
export async function stranger(t: TestContext, redis: TestRedis, busKey = "") {
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  const framing = createFraming(busKey, "sluice", ["/", "someone"]);
  let n = 0;
  const channel = "sluice:{/}:*";
  const frame = (kind: "e" | "t", text: string) =>
    framing.write(kind, {
      n: ++n,
      at: `${Date.now()}-0`,
      channels: ["*"],
      body: Buffer.from(text),
    });
  return {
    client,
    tell: (text: string) =>
      client.publish(channel, Buffer.concat([Buffer.from("t"), frame("t", text)])),
    /** Appends a body, or other bytes in the place of what a node writes. */
    async append(text: string, bytes: Buffer = frame("e", text)) {
      const id = await client.xadd(LOG, "*", "f", `someone:${n}`, "c", "*", "e", bytes);
      await client.publish(channel, Buffer.concat([Buffer.from(`e${id} `), bytes]));
    },
  };
}

/**
 * Keeps a user of Redis from hearing what is pushed, and waits until its node has tried in vain to
 * subscribe again. `"+subscribe"` ends it.
 */
export async function deafen(redis: TestRedis, user: string, node: TestGateway): Promise<void> {
  await redis.command("ACL", "SETUSER", user, "-subscribe");
  const errors = () => node.metric("sluice_cluster_errors_total");
  const before = await errors();
  for (const line of (await redis.command("CLIENT", "LIST")).split("\n")) {
    const [, id, channels] = line.match(/^id=(\d+) .* sub=(\d+) /) ?? [];
    // The other listener has one channel, by which Redis tells that the node lives.
    if (id && line.includes(` user=${user} `) && Number(channels) > 1) {
      await redis.command("CLIENT", "KILL", "ID", id);
    }
  }
  await until(async () => (await errors()) > before, "that it cannot hear");
}

/** Cuts a client off, without a word to its node, and sends it to another. */
export async function move(client: Client, socket: ServerSocket, to: { url: string }) {
  const gone = next(socket, "disconnect");
  client.io.engine.close();
  await gone;
  (client.io as unknown as { uri: string }).uri = to.url;
}

/** What a client knows of its session. */
export interface Secret {
  readonly pid: string;
  readonly offset: string;
}

/** Returns what a client knows of its session. */
export function secretOf(client: Client): Secret {
  const { _pid: pid, _lastOffset: offset } = client as unknown as Record<string, string>;
  return { pid: String(pid), offset: String(offset) };
}

/** Waits until Redis has the sessions of these living clients: a node's metric says what it will have. */
export async function kept(redis: TestRedis, clients: readonly Client[]): Promise<void> {
  await until(async () => {
    const keys = (await redis.command("KEYS", "sluice:{nodes}:sessions:*")).split("\n");
    const held = await Promise.all(keys.map((key) => redis.command("HKEYS", key)));
    const names = new Set(held.join("\n").split("\n"));
    return clients.every((client) => names.has(`/,${secretOf(client).pid}`));
  }, "the sessions");
}

/** A new client that comes with another's session. */
export function thief(
  node: TestGateway,
  { pid, offset }: Secret,
  options: ClientOptions = {},
): Client {
  const client = node.client(options);
  Object.assign(client, { _pid: pid, _lastOffset: offset });
  return client;
}

/** Whether Redis keeps a session whose socket is gone. */
export const lost = async (redis: TestRedis, { pid }: Secret) =>
  (await redis.command("EXISTS", `sluice:{nodes}:lost:/,${pid}`)) === "1";
