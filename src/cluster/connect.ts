import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { messageOf } from "../core/failures.ts";

/** A client for one Redis, a Sentinel's master or a Redis Cluster. */
export type Client = Redis | Cluster;

/** Where Redis is, and whom to believe there. */
export interface RedisAddress {
  readonly redisUrl: string;
  readonly redisCaFile: string;
  readonly redisCertFile: string;
  readonly redisKeyFile: string;
  readonly redisServerName: string;
}

/** Makes a client. */
export type Connect = (options: RedisOptions) => Client;

const SCHEMES = [
  ...["redis:", "redis+sentinel:", "redis+cluster:"],
  ...["rediss:", "rediss+sentinel:", "rediss+cluster:"],
];
/** Waits between two attempts to connect: doubling from 50 ms up to 2 s, each a random share. */
const backoffMs = (attempt: number) => Math.random() * Math.min(2_000, 50 * 2 ** attempt);

/**
 * Returns the function that makes clients for one address.
 *
 * Throws one sentence about a URL that names no Redis, and about files that cannot be read or that
 * nothing would use; the URL's password is not in it.
 */
export function createConnect(address: RedisAddress): Connect {
  const { redisUrl: url } = address;
  const scheme = url.match(/^[a-z+]+:/)?.[0] ?? "";
  if (!SCHEMES.includes(scheme) || !/^[a-z+]+:\/\/[^/]+/.test(url)) {
    throw new Error(`cluster.redisUrl must start with one of ${SCHEMES.join("//, ")}//`);
  }
  const tls = readTls(address, scheme.startsWith("rediss"));
  return (options) => connect(url, { ...options, ...(tls && { tls }) });
}

function connect(url: string, options: RedisOptions): Client {
  const common: RedisOptions = { retryStrategy: backoffMs, keepAlive: 10_000, ...options };
  const [, kind, login = "", hosts = "", path = ""] =
    url.match(/^rediss?\+(sentinel|cluster):\/\/(?:([^@/]*)@)?([^/]+)\/?(.*)$/) ?? [];
  if (kind === undefined) return new Redis(url, common);
  const nodes = hosts.split(",").map((text) => {
    const [, ip6, host = ip6, port] = text.match(/^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/) ?? [];
    if (!host) throw new Error(`cluster.redisUrl: ${text} is not host or host:port`);
    return { host, port: Number(port ?? (kind === "sentinel" ? 26_379 : 6_379)) };
  });
  const [username, password] = login.split(":").map(decodeURIComponent);
  const auth = { ...(username && { username }), ...(password && { password }) };
  if (kind === "sentinel") {
    const { tls } = common;
    const watched = { sentinels: nodes, name: path || "mymaster" };
    const secured = tls && { sentinelTLS: tls, enableTLSForSentinelMode: true };
    return new Redis({ ...common, ...auth, ...watched, ...secured });
  }
  const { enableOfflineQueue = true, retryStrategy: _none, ...each } = common;
  return new Cluster(nodes, {
    clusterRetryStrategy: backoffMs,
    enableOfflineQueue,
    // What was asked on a connection that was lost may have been done: who waits is told so.
    ...(!enableOfflineQueue && { retryDelayOnFailover: 0 }),
    redisOptions: { ...each, ...auth },
  });
}

/** Returns how Redis' certificate is looked at; undefined without TLS. */
function readTls(address: RedisAddress, encrypted: boolean): ConnectionOptions | undefined {
  const { redisCaFile, redisCertFile, redisKeyFile, redisServerName } = address;
  const files = { redisCaFile, redisCertFile, redisKeyFile };
  if (!encrypted) {
    const given = Object.entries({ ...files, redisServerName }).find(([, value]) => value !== "");
    if (!given) return undefined;
    throw new Error(`cluster.${given[0]} needs TLS: start cluster.redisUrl with rediss`);
  }
  if ((redisCertFile === "") !== (redisKeyFile === "")) {
    throw new Error("set both cluster.redisCertFile and cluster.redisKeyFile, or neither");
  }
  const [ca, cert, key] = Object.entries(files).map(([name, path]) => readFile(name, path));
  return {
    ...(ca && { ca }),
    ...(cert && key && { cert, key }),
    ...(redisServerName !== "" && { servername: redisServerName }),
  };
}

function readFile(name: string, path: string): Buffer | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = messageOf(cause);
    throw new Error(`cluster.${name} cannot be read: ${why}`, { cause });
  }
}
