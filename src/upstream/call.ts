import { randomBytes } from "node:crypto";
import { CALL_TYPES, type CallHandshake, type CallKind, type CallSocket } from "../core/call.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Place } from "../core/journal.ts";
import type { SocketState } from "../core/socket-state.ts";
import { isRecord } from "../core/tagged-json.ts";
import type { Span, TraceContext } from "../core/trace.ts";
import { fromTaggedJson, replaceUnsendable, writeTaggedJson } from "../core/value.ts";
import type { Outcome } from "./answer.ts";
import type { Route } from "./routes.ts";

/** The times that calls go by. */
export interface Clock {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** The wall clock, in milliseconds since 1970. */
  wall(): number;
}

/** The machine's own clocks. */
export const machineClock: Clock = { now: () => performance.now(), wall: () => Date.now() };

/** A socket that is called about. */
export interface CalledSocket extends SocketState {
  readonly id: string;
  readonly namespace: string;
  /** The trace context of its client. */
  readonly trace?: TraceContext | undefined;
  /** Other nodes may have older calls of it: its session goes on here, or its node is gone. */
  readonly mayBeElsewhere?: boolean;
  /** Hears of an event without ack that is refused after it has been taken. */
  refused?(event: string, code: FailureCode): void;
}

/** What stays of a call wherever it is kept. */
export interface CallHead {
  /** The same in every attempt: `ce-id`, and the `webhook-id` of a call that goes alone. */
  readonly id: string;
  readonly kind: CallKind;
  readonly namespace: string;
  readonly socketId: string;
  /** Name of the client's event; empty for the other kinds. */
  readonly subject: string;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
  /** The same in microseconds; each call of a socket has a greater one than those before. */
  readonly order: number;
  /** What caused it. */
  readonly trace: TraceContext | undefined;
}

/** One thing to tell a function. */
export interface Call extends CallHead {
  readonly route: Route;
  readonly path: string;
  /** The socket as it is now, and what its answer changes. */
  readonly state: SocketState;
  /** Of a connect call. */
  readonly handshake: CallHandshake | undefined;
  /** The other members of the body, each with a comma before it. */
  readonly members: string;
  /** Bytes of `members`. */
  readonly bytes: number;
  /** When its client stops waiting, by the monotonic clock; `undefined` when nobody waits. */
  readonly deadline: number | undefined;
  /** It gets one attempt, though no client waits. */
  readonly once: boolean;
  /** Hears once how it ended. */
  readonly ended: Ended | undefined;
  /** Hears that it is written down. */
  readonly kept: (() => void) | undefined;
  /** Hears why it was refused after it had been admitted. */
  readonly refused: ((code: FailureCode) => void) | undefined;
  attempts: number;
  /** When its first attempt was made, by the monotonic clock. */
  begunAt: number | undefined;
  isOver: boolean;
  /** How many sockets are in the rooms of its own, for routes with `presence`. */
  counts: Readonly<Record<string, number>> | undefined;
  /** A request with it is open. */
  isSent: boolean;
  /** Another node delivers it, too: it found this node's journal without an owner. */
  isTaken: boolean;
  /** Where it is written down, once that is confirmed. */
  place: Place | undefined;
  /** Set while it is being written down: resolves when that has come to an end. */
  written: Promise<void> | undefined;
  /** Its body, written for the batch that it is in. */
  body: string | undefined;
  /** Set while a client waits. */
  timer: NodeJS.Timeout | undefined;
  /** Set while it waits for its origin: ends the attempt before it is made. */
  giveUp: (() => void) | undefined;
  /** Set if calls are traced. */
  span: Span | undefined;
}

/** Hears how a call ended, and what its commands belong to in traces. */
export type Ended = (outcome: Outcome, trace: TraceContext | undefined) => void;

/** Returns what the attempts and commands of a call belong to in traces. */
export function traceOf({ span, trace }: Call): TraceContext | undefined {
  return span ?? trace;
}

/** The calls of one socket: one after the other, in the order they came. */
export interface Lane {
  /** `<namespace>,<id>` of the socket. */
  readonly key: string;
  /** Those that wait. */
  readonly calls: Call[];
  /** Something of it is on its way. */
  isBusy: boolean;
  /** The `order` of what is on its way; of several the least. */
  begun: number | undefined;
  /** How many sockets use it: a resumed session has the id of the one before. */
  users: number;
  /** The `order` of its last call. */
  order: number;
  /** Its socket as it is known here: the live one, or what a kept call says of it. */
  socket: SocketState | undefined;
  /** Other nodes may have older calls of its socket. */
  mayBeElsewhere: boolean;
  /** Calls up to this `order` may have some of other nodes between them. */
  mixedUpTo: number;
  /** Its calls are another node's, which is gone. */
  readonly isAdopted: boolean;
  /** The first of its calls that is known to be the oldest of all. */
  cleared: Call | undefined;
  /** A stop has left its first call in the journal: what follows is not delivered, either. */
  isLeft: boolean;
}

/** Other nodes may have calls of a lane that are older than its next, and between those it has. */
export function suspect(lane: Lane): void {
  lane.mayBeElsewhere = true;
  lane.mixedUpTo = lane.order;
}

/** What a call has at its beginning. */
export const FRESH = {
  deadline: undefined,
  once: false,
  handshake: undefined,
  ended: undefined,
  kept: undefined,
  refused: undefined,
  attempts: 0,
  begunAt: undefined,
  isOver: false,
  isSent: false,
  isTaken: false,
  counts: undefined,
  place: undefined,
  written: undefined,
  body: undefined,
  timer: undefined,
  giveUp: undefined,
  span: undefined,
} as const satisfies Partial<Call>;

/**
 * Returns ever new ids that nobody can guess or choose, without a `.`, which signatures end ids
 * with.
 */
export function createIds(): (prefix: string) => string {
  const run = randomBytes(12).toString("base64url");
  let count = 0;
  return (prefix) => `${prefix}_${run}_${(count++).toString(36)}`;
}

/** Returns a call's body as it is now. */
export function bodyOf(call: Call): string {
  const { counts, members } = call;
  const rooms = counts ? `,"rooms":${JSON.stringify(counts)}` : "";
  return `{"socket":${socketOf(call)}${rooms}${members}}`;
}

/** Returns the body's member `socket` as it is now. */
function socketOf({ socketId: id, namespace, state, route, handshake }: Call): string {
  const { userId, data, version } = state.describe();
  const rooms = route.rooms ? state.rooms() : undefined;
  return writeSocket({ id, namespace, userId, data, version, rooms, handshake });
}

/** Returns members of a body as JSON, a comma first; `undefined` for what has no JSON form. */
export function writeMembers(members: object): string | undefined {
  try {
    return `,${writeTaggedJson(members).slice(1, -1)}`;
  } catch {
    return undefined; // a bigint, or what holds itself
  }
}

/** Returns a socket as JSON; what cannot be sent of its data is replaced by why. */
function writeSocket(socket: CallSocket & Pick<Call, "handshake">): string {
  try {
    return writeTaggedJson(socket);
  } catch {
    // The application's own `socket.data` is no reason to keep quiet.
  }
  const { handshake, ...about } = socket;
  const fit = replaceUnsendable(about, writeTaggedJson);
  const shaken = handshake && { handshake: replaceUnsendable(handshake, writeTaggedJson) };
  return writeTaggedJson({ ...fit, ...shaken });
}

const quote = JSON.stringify;

/**
 * Returns a call as it is kept: head, socket and members in a line each, so that its arguments need
 * not be parsed to be sent. JSON has no line ends of its own.
 */
export function writeCall(call: Call): string {
  const { id, kind, namespace, socketId, subject, at, order, trace, route, state } = call;
  // Its route may show rooms by the time when it is sent.
  const rooms = state.rooms();
  // Member by member: an object made for it costs twice as much as all of its text.
  const known =
    `{"id":${quote(id)},"kind":"${kind}","namespace":${quote(namespace)},` +
    `"socketId":${quote(socketId)},"subject":${quote(subject)},"at":${at},"order":${order},` +
    `"route":${quote(route.name)}${trace ? `,"trace":${quote(trace)}` : ""}` +
    `${rooms.length > 0 ? `,"rooms":${quote(rooms)}` : ""}}`;
  return `${known}\n${socketOf(call)}\n${call.members}`;
}

/** A call as it was kept. */
export interface KeptCall extends CallHead {
  /** Name of its route. */
  readonly route: string;
  readonly rooms?: readonly string[];
  /** The body's member `socket`, and the others with a comma before each. */
  readonly socket: string;
  readonly members: string;
}

/**
 * Reads what {@link writeCall} wrote; `undefined` for anything else: another version, or whoever
 * else writes to Redis, may have written it. Its members are not looked at.
 */
export function readCall(text: string): KeptCall | undefined {
  const [line = "", socket, members] = text.split("\n", 3);
  if (socket === undefined || members === undefined) return undefined;
  try {
    const head: unknown = JSON.parse(line);
    const isFit = isRecord(head) && isHead(head) && isRecord(JSON.parse(socket));
    return isFit ? { ...(head as unknown as KeptCall), socket, members } : undefined;
  } catch {
    return undefined;
  }
}

function isHead(head: Record<string, unknown>): boolean {
  const { id, kind, namespace, socketId, subject, route, at, order, rooms = [], trace } = head;
  return (
    Object.hasOwn(CALL_TYPES, String(kind)) &&
    [id, kind, namespace, socketId, subject, route].every((each) => typeof each === "string") &&
    [at, order].every(Number.isFinite) &&
    Array.isArray(rooms) &&
    rooms.every((room) => typeof room === "string") &&
    (trace === undefined || isRecord(trace))
  );
}

/** Returns the body of a kept call, as it was. */
export function keptBodyOf({ socket, members }: KeptCall): string {
  return `{"socket":${socket}${members}}`;
}

/** Returns a socket as a kept call shows it. */
export function keptSocketOf({ socket, rooms }: KeptCall): CallSocket {
  // Of the same gateway, as above.
  const known = fromTaggedJson(JSON.parse(socket)) as CallSocket;
  return { ...known, ...(rooms && { rooms }) };
}
