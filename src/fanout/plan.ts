import type { CodecName, Frames } from "../core/packet.ts";
import type { Audience, Member, Parts, Unions } from "./audience.ts";
import { type Crowd, eachShared } from "./crowd.ts";
import { CODECS, type Target, type Topic } from "./target.ts";

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

/** One packet on its way to a crowd. */
export interface Broadcast {
  readonly audience: Audience;
  readonly crowd: Crowd;
  readonly frames: Frames;
  /** What to publish. */
  readonly steps: Step[];
  /** Members to be served packet by packet. */
  readonly single: Member[];
}

/** One topic to publish to. */
export interface Step {
  readonly topic: Topic;
  readonly codec: CodecName;
  /** Subscribers that must not get it. */
  readonly out: readonly Member[];
  /** The sockets among which the topic's subscribers are. */
  readonly ids: Iterable<string>;
}

/**
 * Plans how every subscribed member of the crowd is served, each once: by the topics of `steps`,
 * or, where sending is cheaper, in `single`.
 *
 * Between the plan and what it plans no code of anyone else may run, or members come, go and change
 * sides.
 */
export function planTopics(broadcast: Broadcast, unions: Pick<Unions, "find" | "spent">): void {
  const { audience, crowd } = broadcast;
  if (crowd.sets.length === 0) {
    const excluded = listExcepted(broadcast, () => true);
    planTarget(broadcast, audience.everyone, { ids: audience.ids, excluded });
    return;
  }
  const rooms = crowd.rooms.filter((room) => audience.targets.has(room));
  if (rooms.length > 1) {
    const targets = rooms.map((room) => audience.targets.get(room) ?? audience.everyone);
    planUnion(broadcast, { audience, rooms, targets }, unions);
  } else planRooms(broadcast);
}

/** Whether topics serve a subscribed member of a crowd: by any of its rooms but its own. */
export function isInTopics(crowd: Crowd, id: string): boolean {
  return crowd.has(id, id);
}

function planUnion(
  broadcast: Broadcast,
  parts: Parts,
  unions: Pick<Unions, "find" | "spent">,
): void {
  const union = unions.find(parts);
  if (union) {
    const excluded = listExcepted(broadcast, (member) => union.subscribers.has(member));
    const ids = { [Symbol.iterator]: () => idsOf(union.subscribers) };
    planTarget(broadcast, union.target, { ids, excluded });
    return;
  }
  const { doubles, scanned } = planRooms(broadcast);
  unions.spent(parts, doubles, scanned);
}

function* idsOf(members: Iterable<Member>): Generator<string> {
  for (const member of members) yield member.socket.id;
}

/** Lists the excepted members, of those that `counts`. */
function listExcepted(
  { audience, crowd }: Broadcast,
  counts: (member: Member) => boolean,
): Set<Member> {
  const excluded = new Set<Member>();
  for (const ids of crowd.except) {
    for (const id of ids) {
      const member = audience.members.get(id);
      if (member?.codec && counts(member)) excluded.add(member);
    }
  }
  return excluded;
}

/** Plans one room after the other, leaving out whom an earlier one serves. */
function planRooms(broadcast: Broadcast) {
  const { audience, crowd } = broadcast;
  const sum = { doubles: 0, scanned: 0 };
  const seen = crowd.sets.length > ROOMS_COMPARED ? new Set<string>() : undefined;
  crowd.sets.forEach((ids, i) => {
    const target = audience.targets.get(crowd.rooms[i]);
    if (target) {
      const excluded = listExcluded(broadcast, i, seen);
      planTarget(broadcast, target, { ids, excluded, owner: crowd.rooms[i] });
      sum.doubles += i > 0 ? excluded.size : 0;
      sum.scanned += i > 0 ? ids.size : 0;
    }
    if (seen) for (const id of ids) if (id !== crowd.rooms[i]) seen.add(id);
  });
  return sum;
}

/**
 * Lists the subscribed members of the i-th room that its topics must not serve: excluded ones, and
 * those an earlier room of the union serves.
 */
function listExcluded(broadcast: Broadcast, i: number, seen?: ReadonlySet<string>): Set<Member> {
  const { audience, crowd } = broadcast;
  const excluded = new Set<Member>();
  const ids = crowd.sets[i] ?? seen ?? new Set();
  const add = (id: string) => {
    const member = id === crowd.rooms[i] ? undefined : audience.members.get(id);
    if (member?.codec) excluded.add(member);
  };
  if (crowd.except.length < ids.size) for (const some of crowd.except) eachShared(some, ids, add);
  else for (const id of ids) if (crowd.isExcluded(id)) add(id);
  if (i > 0) for (const id of ids) if (seen?.has(id) ?? isServed(crowd, i, id)) add(id);
  return excluded;
}

function isServed(crowd: Crowd, before: number, id: string): boolean {
  for (let j = 0; j < before; j++) {
    if (crowd.sets[j]?.has(id) && crowd.rooms[j] !== id) return true;
  }
  return false;
}

interface Audible {
  readonly ids: Iterable<string>;
  readonly excluded: ReadonlySet<Member>;
  /** The room, whose own socket its topics don't serve. */
  readonly owner?: unknown;
}

function planTarget(broadcast: Broadcast, target: Target, audible: Audible): void {
  for (const codec of CODECS) {
    const topic = target[codec];
    const out: Member[] = [];
    for (const member of audible.excluded) if (member.codec === codec) out.push(member);
    const recipients = topic.subscribed - out.length;
    if (recipients <= 0) continue;
    if (recipients * EXCLUDED_PER_SEND < out.length) planSingle(broadcast, codec, audible);
    else broadcast.steps.push({ topic, codec, out, ids: audible.ids });
  }
}

function planSingle({ audience, single }: Broadcast, codec: CodecName, audible: Audible): void {
  for (const id of audible.ids) {
    const member = audience.members.get(id);
    if (member?.codec !== codec || id === audible.owner) continue;
    if (!audible.excluded.has(member)) single.push(member);
  }
}
