import type { Room } from "../seam/socket-io-adapter.ts";
import {
  type AdapterInside,
  type Audience,
  createTarget,
  isEmpty,
  type Member,
  type SocketInside,
  setSubscription,
  type Target,
  type Topics,
} from "./audience.ts";
import type { Listeners } from "./listeners.ts";
import type { FanoutSamples } from "./samples.ts";
import { dropUnions, joinUnions, leaveUnions, type Unions } from "./unions.ts";

/** What all audiences of one fan-out share. */
export interface Shared {
  readonly topics: Topics;
  /** Bytes published to a topic after which its subscribers' unsent bytes are checked. */
  readonly lookBytes: number;
  readonly samples: FanoutSamples;
  readonly unions: Unions;
  readonly listeners: Listeners;
  /** The oldest member of each connection. */
  readonly heads: Map<unknown, Member>;
}

/** Returns the audience of one adapter. It already has the adapter's connected sockets. */
export function createAudience(shared: Shared, adapter: AdapterInside): Audience {
  const members = new Map<string, Member>();
  const audience: Audience = {
    adapter,
    everyone: createTarget(),
    targets: new Map(),
    members,
    ids: { [Symbol.iterator]: () => members.keys() },
    slow: new Set(),
    listening: new Set(),
    changes: 0,
  };
  // Only this adapter's sockets: when one of an earlier adapter of the namespace leaves, only that
  // adapter is told.
  for (const socket of adapter.nsp.sockets.values()) {
    if (adapter.sids.has(socket.id)) addMember(shared, audience, socket);
  }
  return audience;
}

/** Adds a connected socket, with the rooms it is in. */
export function addMember(shared: Shared, audience: Audience, socket: SocketInside): void {
  audience.changes++;
  const member: Member = { socket, audience, codec: undefined, next: undefined };
  audience.members.set(socket.id, member);
  audience.slow.add(member);
  shared.samples.slow++;
  link(shared.heads, member);
  shared.listeners.entered(member);
  resubscribe(shared, member);
}

/** Removes a member, before its socket leaves its rooms. */
export function removeMember(shared: Shared, member: Member): void {
  const { audience, socket } = member;
  audience.changes++;
  if (member.codec) unsubscribeAll(shared, member);
  else shared.samples.slow--;
  member.codec = undefined;
  audience.slow.delete(member);
  audience.members.delete(socket.id);
  unlink(shared.heads, member);
  shared.listeners.left(member);
}

/** Call before a member is added to a room. */
export function joinRoom(shared: Shared, member: Member, room: Room): void {
  member.audience.changes++;
  if (member.codec) subscribe(shared, member, room);
}

/** Call before a member is removed from a room. */
export function leaveRoom(shared: Shared, member: Member, room: Room): void {
  member.audience.changes++;
  const target = member.codec && targetOf(member, room);
  if (target) unsubscribe(shared, member, { room, target, all: false });
}

/** Subscribes or unsubscribes a member after its connection's `native` changed. */
export function resubscribe(shared: Shared, member: Member): void {
  const { audience, socket } = member;
  const { conn } = socket;
  const codec = conn.native && isFirst(shared, member) ? conn.codec : undefined;
  if (codec === member.codec) return;
  audience.changes++;
  if (member.codec) {
    unsubscribeAll(shared, member);
    audience.slow.add(member);
  }
  member.codec = codec;
  if (codec) {
    setSubscription(member, audience.everyone, 1);
    for (const room of roomsOf(member)) subscribe(shared, member, room);
    audience.slow.delete(member);
  }
  shared.samples.slow += codec ? -1 : 1;
}

/** Lists the members of a connection, oldest first. */
export function* membersOf(heads: Shared["heads"], conn: unknown): Generator<Member> {
  for (let one = heads.get(conn); one; one = one.next) yield one;
}

function subscribe(shared: Shared, member: Member, room: Room): void {
  if (room === member.socket.id) return; // no topic for a single recipient
  const { targets } = member.audience;
  let target = targets.get(room);
  if (!target) {
    target = createTarget();
    targets.set(room, target);
  }
  setSubscription(member, target, 1);
  joinUnions(shared.unions, member, target);
}

function unsubscribe(
  { unions }: Shared,
  member: Member,
  from: { readonly room: Room; readonly target: Target; readonly all: boolean },
): void {
  setSubscription(member, from.target, -1);
  leaveUnions(unions, member, from);
  if (!isEmpty(from.target)) return;
  member.audience.targets.delete(from.room);
  dropUnions(unions, from.target);
}

function unsubscribeAll(shared: Shared, member: Member): void {
  for (const room of roomsOf(member)) {
    const target = targetOf(member, room);
    if (target) unsubscribe(shared, member, { room, target, all: true });
  }
  setSubscription(member, member.audience.everyone, -1);
}

function targetOf({ audience, socket }: Member, room: Room): Target | undefined {
  return room === socket.id ? undefined : audience.targets.get(room);
}

function roomsOf({ audience, socket }: Member): Iterable<Room> {
  return audience.adapter.sids.get(socket.id) ?? [];
}

/** Whether it is its connection's first in the audience: a WebSocket subscribes only once. */
function isFirst({ heads }: Shared, member: Member): boolean {
  for (let one = heads.get(member.socket.conn); one; one = one.next) {
    if (one.audience === member.audience) return one === member;
  }
  return true;
}

/** Adds a member to those of its connection. */
function link(heads: Shared["heads"], member: Member): void {
  const { conn } = member.socket;
  let tail: Member | undefined;
  for (let one = heads.get(conn); one; one = one.next) tail = one;
  if (tail) tail.next = member;
  else heads.set(conn, member);
}

/** Removes a member from those of its connection. */
function unlink(heads: Shared["heads"], member: Member): void {
  const { conn } = member.socket;
  let before: Member | undefined;
  for (let one = heads.get(conn); one; one = one.next) if (one.next === member) before = one;
  if (before) before.next = member.next;
  else if (member.next) heads.set(conn, member.next);
  else heads.delete(conn);
}
