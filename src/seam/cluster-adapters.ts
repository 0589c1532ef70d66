/**
 * Types the private members of the cluster adapters that `cluster/` replaces or calls. {@link
 * openAdapter} compares them with the installed versions when a namespace gets its adapter, which
 * for the first namespace is at start. It loads none of the adapters.
 */

import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { checkLibrary, listMembers, type Part } from "./members.ts";
import { checkClusterAdapter } from "./socket-io-adapter.ts";

/** `ClusterAdapter` of socket.io-adapter, which all but the classic adapter extend. */
export interface ClusterInside {
  readonly uid: string;
  publishAndReturnOffset(message: object): Promise<string>;
  doPublish(message: object): Promise<string>;
  doPublishResponse(requester: string, response: object): Promise<void>;
  onMessage(message: unknown, offset?: string): void;
  onResponse(response: unknown): void;
}

/** The sharded adapter, which decodes messages of Redis. */
export interface ShardedInside extends ClusterInside {
  onRawMessage(raw: unknown, channel: string): void;
}

/** The adapter of the stream, which also keeps sessions. */
export interface StreamsInside extends ClusterInside {
  readonly nsp: { readonly name: string };
  encode(message: object): Record<string, string>;
  onRawMessage(raw: unknown, id: string): void;
  addOffsetIfNecessary(packet: object, opts: object, offset: string): void;
  broadcast(packet: object, opts: object): unknown;
  persistSession(session: object): void;
  restoreSession(pid: string, offset: string): Promise<unknown>;
}

/** The classic adapter. Its constructor binds these methods to its Redis clients. */
export interface ClassicInside extends Adapter {
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
  publishResponse(request: object, response: string): void;
}

/** The members of each adapter, by `cluster.adapter`; `workers` is the one without Redis. */
interface Inside {
  readonly streams: StreamsInside;
  readonly sharded: ShardedInside;
  readonly pubsub: ClassicInside;
  readonly workers: ClusterInside;
}

/** Public methods of every cluster adapter that `cluster/` replaces. */
const PUBLIC = [
  ...(["broadcast", "addSockets", "delSockets", "disconnectSockets"] as const),
  ...(["fetchSockets", "serverSideEmit", "serverCount"] as const),
] as const;

const CLUSTER: Readonly<Record<keyof ClusterInside, 1>> = {
  ...{ uid: 1, publishAndReturnOffset: 1, doPublish: 1, doPublishResponse: 1, onMessage: 1 },
  ...{ onResponse: 1 },
};
const SHARDED = listMembers<ShardedInside>({ ...CLUSTER, onRawMessage: 1 });
const STREAMS = listMembers<Omit<StreamsInside, (typeof PUBLIC)[number]>>({
  ...CLUSTER,
  ...{ nsp: 1, encode: 1, onRawMessage: 1, addOffsetIfNecessary: 1 },
  ...{ persistSession: 1, restoreSession: 1 },
});
const CLASSIC = listMembers<Omit<ClassicInside, keyof Adapter>>({
  ...{ onrequest: 1, publishResponse: 1 },
});
const WORKERS = listMembers<ClusterInside>(CLUSTER);

/** The package of each adapter, the name of its class, and its members that Sluice uses. */
const ADAPTERS = {
  streams: ["@socket.io/redis-streams-adapter", "RedisStreamsAdapter", STREAMS],
  sharded: ["@socket.io/redis-adapter", "ShardedRedisAdapter", SHARDED],
  pubsub: ["@socket.io/redis-adapter", "RedisAdapter", CLASSIC],
  workers: ["@socket.io/cluster-adapter", "NodeClusterAdapter", WORKERS],
} as const satisfies Record<keyof Inside, readonly [string, string, readonly string[]]>;

/** Lists the members of a cluster adapter that Sluice uses. */
export function listAdapter(kind: keyof Inside, adapter: object): Part[] {
  const [, name, members] = ADAPTERS[kind];
  return [{ name, object: adapter, members: [...PUBLIC, ...members] }];
}

/**
 * Returns a cluster adapter with its private members. Throws if it lacks one that Sluice uses: what
 * guards its messages would not be called.
 */
export function openAdapter<Kind extends keyof Inside>(kind: Kind, adapter: object): Inside[Kind] {
  if (kind !== "pubsub") checkClusterAdapter();
  checkLibrary(ADAPTERS[kind][0], () => listAdapter(kind, adapter));
  return adapter as Inside[Kind]; // it has all of them
}

/** The class of the classic adapter. */
export type Classic<Client, Options> = new (
  namespace: Namespace,
  client: Client,
  listener: Client,
  options: Options,
) => ClassicInside;

/**
 * Returns the class of the classic adapter with its private members. Throws if it lacks one: a
 * subclass has those that it overrides in any case, so openAdapter() would not miss them.
 */
export function openClassic<Client, Options>(RedisAdapter: {
  readonly prototype: object;
}): Classic<Client, Options> {
  checkLibrary(ADAPTERS.pubsub[0], () => listAdapter("pubsub", RedisAdapter.prototype));
  return RedisAdapter as unknown as Classic<Client, Options>; // it has all of them
}
