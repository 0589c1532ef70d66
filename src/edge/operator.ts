import type { Command } from "../core/command.ts";
import type { Schema } from "./schema.ts";

/**
 * Events by name, as Socket.IO declares them: `interface Events { news: (text: string) => void }`.
 */
export type EventsMap = object;

/** Any event with any arguments. */
export type AnyEvents = Record<string, (...args: unknown[]) => void>;

type NameOf<Events extends EventsMap> = keyof Events & string;

/**
 * Arguments of an event, without the callback for its acknowledgement. An event may also be
 * declared by the schema of its list of arguments.
 */
export type ArgsOf<Events extends EventsMap, Name extends keyof Events> =
  Events[Name] extends Schema<infer Args extends readonly unknown[]>
    ? Args
    : WithoutAck<Events[Name] extends (...args: infer Args) => unknown ? Args : unknown[]>;

type WithoutAck<Args extends unknown[]> = Args extends [
  ...infer Head,
  (...args: never[]) => unknown,
]
  ? Head
  : Args;

/** Arguments of the callback for an event's acknowledgement; any, if the event has no callback. */
export type AckOf<Events extends EventsMap, Name extends keyof Events> = Events[Name] extends (
  ...args: infer Args
) => unknown
  ? Args extends [...unknown[], (...args: infer Ack) => unknown]
    ? Ack
    : unknown[]
  : unknown[];

/** Chooses sockets, then acts on them, with the names of Socket.IO's own methods. */
export interface Operator<Events extends EventsMap, Result> {
  /** Adds rooms or socket ids. An empty list reaches nobody; it does not mean everyone. */
  to(rooms: string | readonly string[]): Operator<Events, Result>;
  /** The same as `to`. */
  in(rooms: string | readonly string[]): Operator<Events, Result>;
  /** Leaves out rooms or socket ids. */
  except(rooms: string | readonly string[]): Operator<Events, Result>;
  /** A client that cannot receive the event at this moment may miss it. */
  readonly volatile: Operator<Events, Result>;
  /**
   * Has the gateway do it so many milliseconds later (up to 30 days; less than 1 counts as 1), for
   * who is in the rooms then. `key` names it for `cancel`. A later command with the same key
   * replaces it.
   */
  after(ms: number, options?: { readonly key?: string }): Operator<Events, Result>;
  /** Emits an event to the chosen sockets; without `to`, to everyone in the namespace. */
  emit<Name extends NameOf<Events>>(event: Name, ...args: ArgsOf<Events, Name>): Result;
  /** Puts the chosen sockets into rooms. */
  socketsJoin(rooms: string | readonly string[]): Result;
  /** Takes the chosen sockets out of rooms. */
  socketsLeave(rooms: string | readonly string[]): Result;
  /** With `close`, also closes their connections, with the sockets of other namespaces. */
  disconnectSockets(close?: boolean): Result;
}

/** An operator that also reaches other namespaces and the other nodes. */
export interface ServerOperator<Events extends EventsMap, Result> extends Operator<Events, Result> {
  /** Chooses a namespace. Default: `/`. */
  of(namespace: string): ServerOperator<Events, Result>;
  after(ms: number, options?: { readonly key?: string }): ServerOperator<Events, Result>;
  /** Emits to the other nodes. */
  serverSideEmit(event: string, ...args: unknown[]): Result;
}

/** The sockets that a command is for, and when. */
export interface Target {
  readonly namespace?: string;
  readonly rooms?: readonly string[];
  readonly except?: readonly string[];
  readonly volatile?: boolean;
  readonly afterMs?: number;
  readonly key?: string | undefined;
}

type Rooms = string | readonly string[];

function addRooms(known: readonly string[] | undefined, more: Rooms): readonly string[] {
  return [...(known ?? []), ...(typeof more === "string" ? [more] : more)];
}

/**
 * Returns what all operators have, for a target: commands are passed to `send`, and a chain goes on
 * with what `again` makes of a target. Members of a command that are undefined are not sent.
 */
export function createOperator<T extends Target, Result, Self>(
  target: T,
  send: (command: Command) => Result,
  again: (target: T) => Self,
) {
  const { namespace, rooms, except, volatile, afterMs, key } = target;
  const delay = { namespace, afterMs, key };
  const selection = { ...delay, in: rooms, except };
  const to = (more: Rooms) => again({ ...target, rooms: addRooms(rooms, more) });
  return {
    to,
    in: to,
    except: (more: Rooms) => again({ ...target, except: addRooms(except, more) }),
    of: (name: string) => again({ ...target, namespace: name }),
    get volatile() {
      return again({ ...target, volatile: true });
    },
    // Not by `again`: what waits for an answer cannot be delayed.
    after: (ms: number, options: { readonly key?: string } = {}) =>
      createLater({ ...target, key: options.key, afterMs: Math.max(1, Math.ceil(ms)) }, send),
    emit: (event: string, ...args: readonly unknown[]) =>
      send({ do: "emit", ...delay, to: rooms, except, event, args, volatile }),
    socketsJoin: (given: Rooms) =>
      send({ do: "socketsJoin", ...selection, rooms: addRooms(undefined, given) }),
    socketsLeave: (given: Rooms) =>
      send({ do: "socketsLeave", ...selection, rooms: addRooms(undefined, given) }),
    disconnectSockets: (close = false) => send({ do: "disconnectSockets", ...selection, close }),
    serverSideEmit: (event: string, ...args: readonly unknown[]) =>
      send({ do: "serverSideEmit", ...delay, event, args }),
  };
}

function createLater<Result>(
  target: Target,
  send: (command: Command) => Result,
): ServerOperator<AnyEvents, Result> {
  return createOperator(target, send, (more) => createLater(more, send));
}
