import type { CodecName, Frame, Frames } from "../core/packet.ts";
import type { Audience, Member } from "./audience.ts";
import { type Crowd, eachShared } from "./crowd.ts";
import type { Topics } from "./peer.ts";
import type { FanoutSamples } from "./samples.ts";
import { CODECS, type Target } from "./target.ts";
import type { Parts, Unions } from "./unions.ts";

/**
 * Excluded members per recipient above which the recipients are sent to one by one. Excluding
 * through uWebSockets.js costs an unsubscribe and a subscribe each (≈ 0.35 µs), a send to one
 * connection a system call (≈ 8 µs).
 */
const EXCLUDED_PER_SEND = 20;
/** Rooms of a union above which the sockets already served are kept in a set of their own. */
const ROOMS_COMPARED = 8;

/** What publishing needs. */
export interface PublishNeeds {
  readonly topics: Topics;
  readonly samples: FanoutSamples;
  /** Bytes published to a topic after which its subscribers' unsent bytes are looked at. */
  readonly lookBytes: number;
  readonly unions: Pick<Unions, "find" | "spent">;
}

/** One packet on its way to a crowd. */
export interface Broadcast {
  readonly audience: Audience;
  readonly crowd: Crowd;
  readonly frames: Frames;
  /** The packet as topics carry it, once it has been asked for. */
  readonly wires: { [C in CodecName]?: Wire };
  /** Members to be served packet by packet. */
  readonly single: Member[];
  /** Topics whose subscribers are due to be looked at. */
  readonly due: { readonly ids: Iterable<string>; readonly codec: CodecName }[];
}

/** A packet's Engine.IO messages in one codec, and their bytes without Engine.IO's own. */
interface Wire {
  readonly frames: readonly Frame[];
  readonly bytes: number;
}

/**
 * Publishes to every subscribed member of the crowd, each once, and returns how many those are.
 *
 * Members that are cheaper to send to join `single`, uncounted. No code of anyone else runs
 * meanwhile, so nobody can come, go or change sides in between.
 */
export function publishToCrowd(needs: PublishNeeds, broadcast: Broadcast): number {
  const { audience, crowd } = broadcast;
  if (crowd.sets.length === 0) {
    const excluded = listExcepted(broadcast, () => true);
    return publishTo(needs, broadcast, audience.everyone, { ids: audience.ids, excluded });
  }
  const rooms = crowd.rooms.filter((room) => audience.targets.has(room));
  if (rooms.length > 1) {
    const targets = rooms.map((room) => audience.targets.get(room) ?? audience.everyone);
    return publishToUnion(needs, broadcast, { audience, rooms, targets });
  }
  return publishToRooms(needs, broadcast).served;
}

function publishToUnion(needs: PublishNeeds, broadcast: Broadcast, parts: Parts): number {
  const union = needs.unions.find(parts);
  if (!union) {
    const { served, doubles, scanned } = publishToRooms(needs, broadcast);
    needs.unions.spent(parts, doubles, scanned);
    return served;
  }
  const excluded = listExcepted(broadcast, (member) => union.subscribers.has(member));
  const ids = { [Symbol.iterator]: () => idsOf(union.subscribers) };
  return publishTo(needs, broadcast, union.target, { ids, excluded });
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

/** Publishes to one room after the other, leaving out whom an earlier one has served. */
function publishToRooms(needs: PublishNeeds, broadcast: Broadcast) {
  const { audience, crowd } = broadcast;
  const sum = { served: 0, doubles: 0, scanned: 0 };
  const seen = crowd.sets.length > ROOMS_COMPARED ? new Set<string>() : undefined;
  crowd.sets.forEach((ids, i) => {
    const target = audience.targets.get(crowd.rooms[i]);
    if (target) {
      const excluded = listExcluded(broadcast, i, seen);
      sum.served += publishTo(needs, broadcast, target, { ids, excluded, owner: crowd.rooms[i] });
      sum.doubles += i > 0 ? excluded.size : 0;
      sum.scanned += i > 0 ? ids.size : 0;
    }
    if (seen) for (const id of ids) if (id !== crowd.rooms[i]) seen.add(id);
  });
  return sum;
}

/** Whether topics serve a subscribed member of a crowd: by any of its rooms but its own. */
export function isInTopics(crowd: Crowd, id: string): boolean {
  if (crowd.sets.length === 0) return true;
  return crowd.sets.some((ids, i) => crowd.rooms[i] !== id && ids.has(id));
}

/**
 * Lists the subscribed members of the i-th room that its topics must not serve: excluded ones, and
 * those an earlier room of the union has served.
 */
function listExcluded(broadcast: Broadcast, i: number, seen?: ReadonlySet<string>): Set<Member> {
  const { audience, crowd } = broadcast;
  const excluded = new Set<Member>();
  const ids = crowd.sets[i] ?? seen ?? new Set();
  const add = (id: string) => {
    const member = id === crowd.rooms[i] ? undefined : audience.members.get(id);
    if (member?.codec) excluded.add(member);
  };
  for (const except of crowd.except) eachShared(except, ids, add);
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

function publishTo(
  needs: PublishNeeds,
  broadcast: Broadcast,
  target: Target,
  audible: Audible,
): number {
  let served = 0;
  for (const codec of CODECS) {
    const topic = target[codec];
    const out: Member[] = [];
    for (const member of audible.excluded) if (member.codec === codec) out.push(member);
    const recipients = topic.subscribed - out.length;
    if (recipients <= 0) continue;
    if (recipients * EXCLUDED_PER_SEND < out.length) {
      addRemaining(broadcast, codec, audible);
      continue;
    }
    const wire = readWire(broadcast, codec);
    publishExcept(needs.topics, topic.name, wire.frames, out);
    served += recipients;
    needs.samples.framesOut += recipients * wire.frames.length;
    needs.samples.bytesOut += recipients * wire.bytes;
    topic.unlooked += wire.bytes;
    if (topic.unlooked >= needs.lookBytes) {
      topic.unlooked = 0;
      broadcast.due.push({ ids: audible.ids, codec });
    }
  }
  return served;
}

function addRemaining(broadcast: Broadcast, codec: CodecName, audible: Audible): void {
  for (const id of audible.ids) {
    const member = broadcast.audience.members.get(id);
    if (member?.codec !== codec || id === audible.owner) continue;
    if (!audible.excluded.has(member)) broadcast.single.push(member);
  }
}

function readWire(broadcast: Broadcast, codec: CodecName): Wire {
  const ready = broadcast.wires[codec];
  if (ready) return ready;
  let bytes = 0;
  const frames = broadcast.frames.of(codec).map((frame) => {
    bytes += typeof frame === "string" ? Buffer.byteLength(frame) : frame.length;
    // Engine.IO 4 marks a text message with its type; a binary one goes as it is.
    return typeof frame === "string" ? `4${frame}` : frame;
  });
  const wire = { frames, bytes };
  broadcast.wires[codec] = wire;
  return wire;
}

/** Publishes to all subscribers but some, who are subscribed: one is left out by uWebSockets.js. */
function publishExcept(
  topics: Topics,
  topic: string,
  frames: readonly Frame[],
  out: readonly Member[],
): void {
  const [sender, ...others] = out;
  if (!sender) {
    for (const frame of frames) topics.publish(topic, frame);
    return;
  }
  for (const { socket } of others) socket.conn.unsubscribe(topic);
  try {
    for (const frame of frames) sender.socket.conn.publish(topic, frame);
  } finally {
    for (const { socket } of others) socket.conn.subscribe(topic);
  }
}
