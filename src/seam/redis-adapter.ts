/**
 * Types the private members of @socket.io/redis-adapter that the classic adapter of `cluster/`
 * overrides. {@link openClassic} and {@link checkClassic} compare them with the installed version
 * at start, if `cluster.adapter` is pubsub.
 */

import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { checkLibrary, listMembers, type Part } from "./members.ts";

/** The classic adapter. Its constructor binds these methods to its Redis clients. */
export interface ClassicInside extends Adapter {
  readonly channel: string;
  readonly requestChannel: string;
  readonly responseChannel: string;
  onmessage(pattern: unknown, channel: Buffer, message: Buffer): void;
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
  publishResponse(request: object, response: string): void;
}

/** Its constructor, whose declaration hides {@link ClassicInside}. */
export type Classic = new (
  namespace: Namespace,
  client: object,
  listener: object,
  options: { readonly key: string; readonly requestsTimeout: number },
) => ClassicInside;

const FIELDS = listMembers<Pick<ClassicInside, "channel" | "requestChannel" | "responseChannel">>({
  ...{ channel: 1, requestChannel: 1, responseChannel: 1 },
});
const METHODS = listMembers<Pick<ClassicInside, "onmessage" | "onrequest" | "publishResponse">>({
  ...{ onmessage: 1, onrequest: 1, publishResponse: 1 },
});
const PUBLIC = ["close", "serverCount", "fetchSockets", "serverSideEmit"];

/** Lists the members of this library that Sluice uses. Fields show on instances only. */
export function listRedisAdapter(instance?: object): Part[] {
  const { prototype } = RedisAdapter;
  if (instance) return [{ name: "RedisAdapter", object: instance, members: FIELDS }];
  return [{ name: "RedisAdapter", object: prototype, members: [...METHODS, ...PUBLIC] }];
}

/** Throws if an adapter lacks a field that Sluice uses: what guards its messages needs them. */
export function checkClassic(adapter: object): void {
  checkLibrary("@socket.io/redis-adapter", () => listRedisAdapter(adapter));
}

/** Returns the class of the classic adapter. Throws if it lacks a method that Sluice overrides. */
export function openClassic(): Classic {
  checkLibrary("@socket.io/redis-adapter", () => listRedisAdapter());
  return RedisAdapter as unknown as Classic; // it has all of them
}
