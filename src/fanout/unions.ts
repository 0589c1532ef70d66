import type { CodecName } from "../core/packet.ts";
import type { Room } from "./adapter.ts";
import {
  createTarget,
  type Member,
  type Parts,
  setSubscription,
  type Target,
  type Union,
  type Unions,
} from "./audience.ts";
import type { FanoutSamples } from "./samples.ts";

interface KeptUnion extends Union, Parts {
  readonly key: string;
  readonly subscribers: Set<Member>;
  /** Joins and leaves of its members since it was last published to. */
  upkeep: number;
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
  const kept = new Map<string, KeptUnion>();
  const byTarget = new Map<Target, Set<KeptUnion>>();
  const candidates = new Map<string, { readonly cost: number; readonly rooms: number }>();
  let candidateRooms = 0;
  /** Rooms of the unions that have a topic. */
  let keptRooms = 0;

  const isOver = () => samples.unionMembers + keptRooms > membersMax;

  function add(union: KeptUnion, member: Member, codec: CodecName): void {
    if (union.subscribers.has(member)) return;
    union.subscribers.add(member);
    samples.unionMembers++;
    setSubscription(member, codec, union.target, 1);
  }

  function remove(union: KeptUnion, member: Member, codec: CodecName): void {
    if (!union.subscribers.delete(member)) return;
    samples.unionMembers--;
    setSubscription(member, codec, union.target, -1);
  }

  function make(parts: Parts, key: string): void {
    const { audience, rooms, targets } = parts;
    const union: KeptUnion = {
      audience,
      rooms,
      targets,
      key,
      target: createTarget(),
      subscribers: new Set(),
      upkeep: 0,
    };
    kept.set(key, union);
    keptRooms += targets.length;
    for (const target of targets)
      byTarget.set(target, (byTarget.get(target) ?? new Set()).add(union));
    for (const room of rooms) {
      for (const id of audience.adapter.rooms.get(room) ?? []) {
        const member = id === room ? undefined : audience.members.get(id);
        if (member?.codec) add(union, member, member.codec);
      }
    }
    samples.unionTopics = kept.size;
    trim();
  }

  function drop(union: KeptUnion): void {
    union.audience.changes++; // a broadcast planned with its topic must be planned again
    kept.delete(union.key);
    keptRooms -= union.targets.length;
    for (const target of union.targets) {
      const unions = byTarget.get(target);
      unions?.delete(union);
      if (unions?.size === 0) byTarget.delete(target);
    }
    for (const member of union.subscribers) if (member.codec) remove(union, member, member.codec);
    samples.unionTopics = kept.size;
  }

  function trim(): void {
    for (const union of kept.values()) {
      if (!isOver()) return;
      drop(union);
    }
  }

  /** Removes a candidate and returns what it has cost so far. */
  function forget(key: string): number {
    const found = candidates.get(key);
    if (!found) return 0;
    candidates.delete(key);
    candidateRooms -= found.rooms;
    return found.cost;
  }

  function maintain(union: KeptUnion): void {
    union.upkeep++;
    if (union.upkeep > Math.max(union.subscribers.size, UPKEEP_MIN)) drop(union);
  }

  return {
    find({ targets }) {
      if (kept.size === 0) return undefined;
      const key = keyOf(targets);
      const union = kept.get(key);
      if (!union) return undefined;
      union.upkeep = 0;
      kept.delete(key);
      kept.set(key, union); // the map is in the order of last use
      return union;
    },
    spent(parts, duplicates, scanned) {
      const rooms = parts.targets.length;
      let size = 0;
      for (const target of parts.targets)
        size += target.json.subscribed + target.msgpack.subscribed;
      if (size + rooms > membersMax) return;
      const key = keyOf(parts.targets);
      const cost = forget(key) + duplicates + scanned / SCANNED_PER_DUPLICATE;
      if (cost * SUBSCRIPTIONS_PER_DUPLICATE >= size) make(parts, key);
      else {
        candidates.set(key, { cost, rooms });
        candidateRooms += rooms;
      }
      for (const oldest of candidates.keys()) {
        if (candidateRooms <= CANDIDATE_ROOMS_MAX) return;
        forget(oldest);
      }
    },
    joined(member, codec, target) {
      for (const union of byTarget.get(target) ?? []) {
        add(union, member, codec);
        maintain(union);
      }
      if (isOver()) trim();
    },
    left(member, codec, { room, target, all }) {
      const { id } = member.socket;
      for (const union of byTarget.get(target) ?? []) {
        const stays = (other: Room) =>
          other !== room && other !== id && union.audience.adapter.rooms.get(other)?.has(id);
        if (!all && union.rooms.some(stays)) continue;
        remove(union, member, codec);
        maintain(union);
      }
    },
    emptied(target) {
      for (const union of byTarget.get(target) ?? []) drop(union);
    },
  };
}

/** Returns a union's key, made of its topics' names, which are unique in the process. */
function keyOf(targets: readonly Target[]): string {
  const names = targets.map((target) => target.json.name);
  return names.sort().join();
}
