import type { Room } from "../seam/socket-io-adapter.ts";
import {
  type Audience,
  createTarget,
  type Member,
  setSubscription,
  type Target,
} from "./audience.ts";
import type { FanoutSamples } from "./samples.ts";

/** The rooms of a union, in one audience. `targets[i]` belongs to `rooms[i]`. */
export interface Parts {
  readonly audience: Audience;
  readonly rooms: readonly Room[];
  readonly targets: readonly Target[];
}

/** A union of rooms that is used so often that it has its own topic. */
interface Union extends Parts {
  readonly key: string;
  readonly target: Target;
  /** The members that are subscribed to the topic of a room of the union. */
  readonly subscribers: Set<Member>;
  /** Joins and leaves of its members since it was last published to. */
  upkeep: number;
}

/** The unions of one fan-out. */
export interface Unions {
  /** Subscriptions and rooms that all unions with a topic may have together. */
  readonly membersMax: number;
  readonly samples: FanoutSamples;
  /** The unions that have a topic, the least recently used first. */
  readonly kept: Map<string, Union>;
  /** Their rooms. */
  keptRooms: number;
  /** The unions that a room is part of, by the room's target. */
  readonly byTarget: Map<Target, Set<Union>>;
  /** What the unions without a topic have cost so far. */
  readonly candidates: Map<string, { readonly cost: number; readonly rooms: number }>;
  /** Their rooms. */
  candidateRooms: number;
}

/** Members scanned that cost as much as excluding one duplicate: ≈ 35 ns against ≈ 350 ns. */
const SCANNED_PER_DUPLICATE = 10;
/** Subscriptions that cost as much as excluding one duplicate: an unsubscribe and a subscribe. */
const SUBSCRIPTIONS_PER_DUPLICATE = 2;
/** Rooms, in all, of the unions without a topic whose costs are remembered. */
const CANDIDATE_ROOMS_MAX = 10_000;
/** Upkeep between two uses that even the smallest union may cost. */
const UPKEEP_MIN = 32;

/**
 * Returns the unions of one fan-out.
 *
 * A union gets a topic once publishing without one has cost as much as making it. It loses the
 * topic once the upkeep since its last use has cost as much. So the total cost is at most twice the
 * best possible, for any pattern of use. All unions together hold at most `membersMax`
 * subscriptions, plus one for each of their rooms. The least recently used are dropped first.
 */
export function createUnions(membersMax: number, samples: FanoutSamples): Unions {
  return {
    membersMax,
    samples,
    kept: new Map(),
    keptRooms: 0,
    byTarget: new Map(),
    candidates: new Map(),
    candidateRooms: 0,
  };
}

/** Returns the union of these rooms, if it has a topic of its own. */
export function findUnion({ kept }: Unions, { targets }: Parts): Union | undefined {
  if (kept.size === 0) return undefined;
  const key = keyOf(targets);
  const union = kept.get(key);
  if (!union) return undefined;
  union.upkeep = 0;
  kept.delete(key);
  kept.set(key, union); // the map is in the order of last use
  return union;
}

/**
 * Records what a broadcast to a union without a topic cost in addition: `duplicates` members
 * excluded because another room served them, found by scanning `scanned` members.
 */
export function countCost(
  unions: Unions,
  parts: Parts,
  { duplicates, scanned }: { readonly duplicates: number; readonly scanned: number },
): void {
  const rooms = parts.targets.length;
  let size = 0;
  for (const target of parts.targets) size += target.json.subscribed + target.msgpack.subscribed;
  if (size + rooms > unions.membersMax) return;
  const key = keyOf(parts.targets);
  const cost = takeCost(unions, key) + duplicates + scanned / SCANNED_PER_DUPLICATE;
  if (cost * SUBSCRIPTIONS_PER_DUPLICATE >= size) make(unions, parts, key);
  else {
    unions.candidates.set(key, { cost, rooms });
    unions.candidateRooms += rooms;
  }
  for (const oldest of unions.candidates.keys()) {
    if (unions.candidateRooms <= CANDIDATE_ROOMS_MAX) return;
    takeCost(unions, oldest);
  }
}

/** Call after a member was subscribed to a room's target. */
export function joinUnions(unions: Unions, member: Member, target: Target): void {
  for (const union of unions.byTarget.get(target) ?? []) {
    add(unions, union, member);
    maintain(unions, union);
  }
  trim(unions);
}

/** Call when a member is unsubscribed from a room's target; `all`: from all its rooms'. */
export function leaveUnions(
  unions: Unions,
  member: Member,
  { room, target, all }: { readonly room: Room; readonly target: Target; readonly all: boolean },
): void {
  const { id } = member.socket;
  for (const union of unions.byTarget.get(target) ?? []) {
    const stays = (other: Room) =>
      other !== room && other !== id && union.audience.adapter.rooms.get(other)?.has(id);
    if (!all && union.rooms.some(stays)) continue;
    remove(unions, union, member);
    maintain(unions, union);
  }
}

/** Call when a room's target lost its last subscriber. The target is not used again. */
export function dropUnions(unions: Unions, target: Target): void {
  for (const union of unions.byTarget.get(target) ?? []) drop(unions, union);
}

/** Gives a union its topic. */
function make(unions: Unions, parts: Parts, key: string): void {
  const { audience, rooms, targets } = parts;
  const made = { key, target: createTarget(), subscribers: new Set<Member>(), upkeep: 0 };
  const union: Union = { ...parts, ...made };
  unions.kept.set(key, union);
  unions.keptRooms += rooms.length;
  for (const target of targets) {
    unions.byTarget.set(target, (unions.byTarget.get(target) ?? new Set()).add(union));
  }
  for (const room of rooms) {
    for (const id of audience.adapter.rooms.get(room) ?? []) {
      const member = id === room ? undefined : audience.members.get(id);
      if (member?.codec) add(unions, union, member);
    }
  }
  unions.samples.unionTopics = unions.kept.size;
  trim(unions);
}

function drop(unions: Unions, union: Union): void {
  union.audience.changes++; // a broadcast planned with its topic must be planned again
  unions.kept.delete(union.key);
  unions.keptRooms -= union.rooms.length;
  for (const target of union.targets) {
    const sharing = unions.byTarget.get(target);
    sharing?.delete(union);
    if (sharing?.size === 0) unions.byTarget.delete(target);
  }
  for (const member of union.subscribers) remove(unions, union, member);
  unions.samples.unionTopics = unions.kept.size;
}

function trim(unions: Unions): void {
  for (const union of unions.kept.values()) {
    if (unions.samples.unionMembers + unions.keptRooms <= unions.membersMax) return;
    drop(unions, union);
  }
}

function maintain(unions: Unions, union: Union): void {
  union.upkeep++;
  if (union.upkeep > Math.max(union.subscribers.size, UPKEEP_MIN)) drop(unions, union);
}

function add({ samples }: Unions, union: Union, member: Member): void {
  if (union.subscribers.has(member)) return;
  union.subscribers.add(member);
  samples.unionMembers++;
  setSubscription(member, union.target, 1);
}

function remove({ samples }: Unions, union: Union, member: Member): void {
  if (!union.subscribers.delete(member)) return;
  samples.unionMembers--;
  setSubscription(member, union.target, -1);
}

/** Removes a candidate and returns what it has cost so far. */
function takeCost(unions: Unions, key: string): number {
  const found = unions.candidates.get(key);
  if (!found) return 0;
  unions.candidates.delete(key);
  unions.candidateRooms -= found.rooms;
  return found.cost;
}

/** Returns a union's key, made of its topics' names, which are unique in the process. */
function keyOf(targets: readonly Target[]): string {
  const names = targets.map((target) => target.json.name);
  return names.sort().join();
}
