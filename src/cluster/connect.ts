import type { ConnectionOptions } from "node:tls";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import {
  readCertificate,
  readKeyPair,
  readSettingFile,
  refuseFile,
} from "../core/setting-files.ts";
import { SettingsError } from "../core/settings-shape.ts";

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
 * Throws `SettingsError` for a URL that names no Redis, and for files that cannot be read or that
 * nothing would use; the URL is not in it, because it may hold a password.
 */
export function createConnect(address: RedisAddress): Connect {
  const { redisUrl: url } = address;
  const scheme = url.match(/^[a-z+]+:/)?.[0] ?? "";
  if (!SCHEMES.includes(scheme) || !/^[a-z+]+:\/\/[^/]+/.test(url)) {
    return refuseUrl(`must start with one of ${SCHEMES.join("//, ")}//`);
  }
  const group = readGroup(url);
  if (!group) checkUrl(url);
  const tls = readTls(address, scheme.startsWith("rediss"));
  return (options) => {
    const all = { ...options, ...(tls && { tls }) };
    const common: RedisOptions = { retryStrategy: backoffMs, keepAlive: 10_000, ...all };
    return group ? connectGroup(group, common) : new Redis(url, common);
  };
}

function refuseUrl(bound: string): never {
  throw new SettingsError([{ path: "cluster.redisUrl", value: "(secret)", bound }]);
}

/** Throws for a URL of one Redis that ioredis would throw for, or would read as something else. */
function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : refuseUrl(`must be a URL; ${ENCODE}`);
  decode(url.username);
  decode(url.password);
  const database = url.searchParams.get("db") ?? url.pathname.slice(1);
  if (!/^\d*$/.test(database)) refuseUrl("must have a number of a database as its path, or none");
}

const ENCODE = "in a password, write characters such as / and # in percent encoding";

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuseUrl(`must have user and password in percent encoding: % is %25`);
  }
}

/** The nodes of a Redis Cluster, or the Sentinels of a master. */
interface Group {
  readonly kind: "sentinel" | "cluster";
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly auth: Pick<RedisOptions, "username" | "password">;
  /** The master's name. */
  readonly path: string;
}

/** Returns the group that a URL names; undefined if it names one Redis. */
function readGroup(url: string): Group | undefined {
  const [, kind, login = "", hosts = "", path = ""] =
    url.match(/^rediss?\+(sentinel|cluster):\/\/(?:([^@/]*)@)?([^/]+)\/?(.*)$/) ?? [];
  if (kind !== "sentinel" && kind !== "cluster") return undefined;
  const nodes = hosts.split(",").map((text, at) => {
    const [, ip6, host = ip6, digits] = text.match(/^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/) ?? [];
    const port = Number(digits ?? (kind === "sentinel" ? 26_379 : 6_379));
    // Not the text: of a password with a slash in it, it may be a part.
    if (!host || port > 65_535) refuseUrl(`has no host or host:port in place ${at + 1}; ${ENCODE}`);
    return { host, port };
  });
  const [username, password] = login.split(":").map(decode);
  return {
    ...{ kind, nodes, path },
    auth: { ...(username && { username }), ...(password && { password }) },
  };
}

function connectGroup({ kind, nodes, auth, path }: Group, common: RedisOptions): Client {
  if (kind === "sentinel") {
    const { tls } = common;
    const watched = { sentinels: [...nodes], name: path || "mymaster" };
    const secured = tls && { sentinelTLS: tls, enableTLSForSentinelMode: true };
    return new Redis({ ...common, ...auth, ...watched, ...secured });
  }
  const { enableOfflineQueue = true, retryStrategy: _none, ...each } = common;
  return new Cluster([...nodes], {
    clusterRetryStrategy: backoffMs,
    enableOfflineQueue,
    // What was asked on a connection that was lost may have been done: who waits is told so.
    ...(!enableOfflineQueue && { retryDelayOnFailover: 0 }),
    redisOptions: { ...each, ...auth },
  });
}

const FILES = ["redisCaFile", "redisCertFile", "redisKeyFile"] as const;

/** Returns how Redis' certificate is looked at; undefined without TLS. */
function readTls(address: RedisAddress, encrypted: boolean): ConnectionOptions | undefined {
  const setting = (name: keyof RedisAddress) => [`cluster.${name}`, address[name]] as const;
  const { redisCaFile, redisCertFile, redisKeyFile, redisServerName } = address;
  if (!encrypted) {
    const given = ([...FILES, "redisServerName"] as const).find((name) => address[name] !== "");
    if (!given) return undefined;
    return refuseFile(setting(given), "needs TLS: start cluster.redisUrl with rediss");
  }
  const ca = redisCaFile === "" ? undefined : readSettingFile(setting("redisCaFile"));
  if (ca) readCertificate(setting("redisCaFile"), ca);
  const hasPair = redisCertFile !== "" || redisKeyFile !== "";
  const pair = hasPair && readKeyPair(setting("redisCertFile"), setting("redisKeyFile"));
  return {
    ...(ca && { ca }),
    ...(pair && { cert: pair.cert, key: pair.key }),
    ...(redisServerName !== "" && { servername: redisServerName }),
  };
}
