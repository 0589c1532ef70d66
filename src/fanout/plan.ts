import type { CodecName, Frames } from "../core/packet.ts";
import type { BroadcastOptions } from "../seam/socket-io-adapter.ts";
import { type Audience, CODECS, type Member, type Target, type Topic } from "./audience.ts";
import { eachShared, type RecipientSets } from "./recipients.ts";
import { countCost, findUnion, type Parts, type Unions } from "./unions.ts";

/**
 * Excluded members per recipient above which the recipients are sent to one by one.
 *
 * Excluding one costs an unsubscribe and a subscribe, 0.3 µs. Sending to one costs 11 µs,
 * publishing to one 0.3 µs with 20 broadcasts a turn of the loop and 6 µs with one: the two meet at
 * 17 to 34 excluded per recipient (1,000 members, 100 bytes, uWebSockets.js 20.30). Without
 * exclusions publishing is cheaper from the first recipient on, so no room is too small for it.
 */
const EXCLUDED_PER_SEND = 20;
/** Rooms of a union above which the sockets already served are kept in a set of their own. */
const ROOMS_COMPARED = 8;

/** One packet and how its recipients are served. */
export interface Broadcast {
  readonly audience: Audience;
  readonly recipients: RecipientSets;
  readonly frames: Frames;
  /** The topics to publish to. */
  readonly steps: Step[];
  /** Members to be served packet by packet. */
  readonly single: Member[];
}

/** One topic to publish to. */
export interface Step {
  readonly topic: Topic;
  readonly codec: CodecName;
  /** Subscribers that must not get the packet. */
  readonly out: readonly Member[];
  /** Socket ids that include all subscribers of the topic. */
  readonly ids: Iterable<string>;
}

/**
 * Plans how each subscribed recipient is served exactly once: through a topic in `steps`, or, where
 * sending is cheaper, in `single`.
 *
 * No application code may run between this plan and its publishing: it could add or remove members,
 * or change how they are served.
 */
export function planTopics(broadcast: Broadcast, unions: Unions): void {
  const { audience, recipients } = broadcast;
  if (recipients.sets.length === 0) {
    const excluded = listExcepted(broadcast, () => true);
    planTarget(broadcast, audience.everyone, { ids: audience.ids, excluded });
    return;
  }
  const rooms = recipients.rooms.filter((room) => audience.targets.has(room));
  if (rooms.length > 1) {
    const targets = rooms.map((room) => audience.targets.get(room) ?? audience.everyone);
    planUnion(broadcast, { audience, rooms, targets }, unions);
  } else planRooms(broadcast);
}

const NOBODY: readonly Member[] = [];

/**
 * Plans the most common broadcast in fewer steps: to one room, with at most one excluded member,
 * whose recipients are all subscribed. Undefined for any other, which {@link planTopics} plans, and
 * if encoding has changed the members.
 */
export function planRoom(
  audience: Audience,
  frames: Frames,
  { rooms, except }: BroadcastOptions,
): readonly Step[] | undefined {
  const { adapter, members, slow, listening, changes } = audience;
  if (rooms.size !== 1 || slow.size > 0 || listening.size > 0) return undefined;
  const room = firstOf(rooms);
  const ids = adapter.rooms.get(room);
  const target = audience.targets.get(room);
  // A socket is not subscribed to the room of its own id.
  if (!ids || !target || members.has(room as string)) return undefined;
  const left = except && except.size > 0 ? findExcluded(audience, except) : NOBODY;
  if (!left) return undefined;
  const excluded = left[0] && ids.has(left[0].socket.id) ? left[0].codec : undefined;
  const steps: Step[] = [];
  for (const codec of CODECS) {
    const topic = target[codec];
    const out = codec === excluded ? left : NOBODY;
    if (topic.subscribed <= out.length) continue;
    frames.of(codec);
    steps.push({ topic, codec, out, ids });
  }
  return audience.changes === changes ? steps : undefined;
}

/** Returns the member that `except` names by its id, if it names that one and no other. */
function findExcluded(
  { adapter, members }: Audience,
  except: ReadonlySet<unknown>,
): readonly Member[] | undefined {
  const id = firstOf(except) as string; // a room that isn't a string is never a key of the map
  const member = members.get(id);
  const isAlone = except.size === 1 && adapter.rooms.get(id)?.size === 1;
  return member && isAlone && adapter.rooms.get(id)?.has(id) ? [member] : undefined;
}

function firstOf(set: ReadonlySet<unknown>): unknown {
  for (const first of set) return first;
  return undefined;
}

/** Whether a topic serves a subscribed recipient: it is addressed by more than its own room. */
export function isInTopics(recipients: RecipientSets, id: string): boolean {
  return recipients.has(id, id);
}

function planUnion(broadcast: Broadcast, parts: Parts, unions: Unions): void {
  const union = findUnion(unions, parts);
  if (union) {
    const excluded = listExcepted(broadcast, (member) => union.subscribers.has(member));
    const ids = { [Symbol.iterator]: () => idsOf(union.subscribers) };
    planTarget(broadcast, union.target, { ids, excluded });
    return;
  }
  countCost(unions, parts, planRooms(broadcast));
}

function* idsOf(members: Iterable<Member>): Generator<string> {
  for (const member of members) yield member.socket.id;
}

/** Lists the subscribed members in `except` for which `counts` returns true. */
function listExcepted(
  { audience, recipients }: Broadcast,
  counts: (member: Member) => boolean,
): Set<Member> {
  const excluded = new Set<Member>();
  for (const ids of recipients.except) {
    for (const id of ids) {
      const member = audience.members.get(id);
      if (member?.codec && counts(member)) excluded.add(member);
    }
  }
  return excluded;
}

/** Plans room by room. Excludes members that an earlier room serves. */
function planRooms(broadcast: Broadcast) {
  const { audience, recipients } = broadcast;
  const sum = { duplicates: 0, scanned: 0 };
  const seen = recipients.sets.length > ROOMS_COMPARED ? new Set<string>() : undefined;
  recipients.sets.forEach((ids, i) => {
    const target = audience.targets.get(recipients.rooms[i]);
    if (target) {
      const excluded = listExcluded(broadcast, i, seen);
      planTarget(broadcast, target, { ids, excluded, owner: recipients.rooms[i] });
      sum.duplicates += i > 0 ? excluded.size : 0;
      sum.scanned += i > 0 ? ids.size : 0;
    }
    if (seen) for (const id of ids) if (id !== recipients.rooms[i]) seen.add(id);
  });
  return sum;
}

/**
 * Lists the subscribed members that the i-th room's topics must not serve: members in `except`, and
 * those that an earlier room of the union serves.
 */
function listExcluded(broadcast: Broadcast, i: number, seen?: ReadonlySet<string>): Set<Member> {
  const { audience, recipients } = broadcast;
  const excluded = new Set<Member>();
  const ids = recipients.sets[i] ?? seen ?? new Set();
  const add = (id: string) => {
    const member = id === recipients.rooms[i] ? undefined : audience.members.get(id);
    if (member?.codec) excluded.add(member);
  };
  if (recipients.except.length < ids.size)
    for (const some of recipients.except) eachShared(some, ids, add);
  else for (const id of ids) if (recipients.isExcluded(id)) add(id);
  if (i > 0) for (const id of ids) if (seen?.has(id) ?? isServed(recipients, i, id)) add(id);
  return excluded;
}

function isServed(recipients: RecipientSets, before: number, id: string): boolean {
  for (let j = 0; j < before; j++) {
    if (recipients.sets[j]?.has(id) && recipients.rooms[j] !== id) return true;
  }
  return false;
}

interface Subscribers {
  readonly ids: Iterable<string>;
  readonly excluded: ReadonlySet<Member>;
  /** The room's name. A socket with this id is not subscribed: the room is its own. */
  readonly owner?: unknown;
}

function planTarget(broadcast: Broadcast, target: Target, subscribers: Subscribers): void {
  for (const codec of CODECS) {
    const topic = target[codec];
    const out: Member[] = [];
    for (const member of subscribers.excluded) if (member.codec === codec) out.push(member);
    const recipients = topic.subscribed - out.length;
    if (recipients <= 0) continue;
    if (recipients * EXCLUDED_PER_SEND < out.length) planSingle(broadcast, codec, subscribers);
    else broadcast.steps.push({ topic, codec, out, ids: subscribers.ids });
  }
}

function planSingle(
  { audience, single }: Broadcast,
  codec: CodecName,
  subscribers: Subscribers,
): void {
  for (const id of subscribers.ids) {
    const member = audience.members.get(id);
    if (member?.codec !== codec || id === subscribers.owner) continue;
    if (!subscribers.excluded.has(member)) single.push(member);
  }
}
