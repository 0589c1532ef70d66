import type { Command } from "../core/command.ts";

/**
 * Events by name, as Socket.IO declares them: `interface Events { news: (text: string) => void }`.
 */
export type EventsMap = object;

/** Any event with any arguments. */
export type AnyEvents = Record<string, (...args: unknown[]) => void>;

type NameOf<Events extends EventsMap> = keyof Events & string;

/** Arguments of an event without the callback of its acknowledgement. */
export type ArgsOf<Events extends EventsMap, Name extends keyof Events> = WithoutAck<
  Events[Name] extends (...args: infer Args) => unknown ? Args : unknown[]
>;

type WithoutAck<Args extends unknown[]> = Args extends [
  ...infer Head,
  (...args: never[]) => unknown,
]
  ? Head
  : Args;

/** Arguments of the callback of an event's acknowledgement; none when it has none. */
export type AckOf<Events extends EventsMap, Name extends keyof Events> = Events[Name] extends (
  ...args: infer Args
) => unknown
  ? Args extends [...unknown[], (...args: infer Ack) => unknown]
    ? Ack
    : unknown[]
  : unknown[];

/** Chooses who is meant, then says what happens, in Socket.IO's own words. */
export interface Operator<Events extends EventsMap, Result> {
  /** Rooms or socket ids; several calls add up. An empty list is nobody: it is not left out. */
  to(rooms: string | readonly string[]): Operator<Events, Result>;
  in(rooms: string | readonly string[]): Operator<Events, Result>;
  except(rooms: string | readonly string[]): Operator<Events, Result>;
  /** Clients that cannot take it now may miss it. */
  readonly volatile: Operator<Events, Result>;
  emit<Name extends NameOf<Events>>(event: Name, ...args: ArgsOf<Events, Name>): Result;
  socketsJoin(rooms: string | readonly string[]): Result;
  socketsLeave(rooms: string | readonly string[]): Result;
  disconnectSockets(close?: boolean): Result;
}

/** The same over a whole server. */
export interface ServerOperator<Events extends EventsMap, Result> extends Operator<Events, Result> {
  /** Another namespace; `/` unless said. */
  of(namespace: string): Operator<Events, Result>;
  serverSideEmit(event: string, ...args: unknown[]): Result;
}

/** Who is meant. */
export interface Target {
  readonly namespace?: string;
  readonly rooms?: readonly string[];
  readonly except?: readonly string[];
  readonly volatile?: boolean;
}

/** Returns the rooms of `more` added to those of `known`. */
export function addRooms(
  known: readonly string[] | undefined,
  more: string | readonly string[],
): readonly string[] {
  return [...(known ?? []), ...(typeof more === "string" ? [more] : more)];
}

/** Returns the words of a target that its command carries; `key` names its rooms. */
export function wordsOf({ namespace, rooms, except }: Target, key: "to" | "in") {
  return {
    ...(namespace !== undefined && { namespace }),
    ...(rooms && { [key]: rooms }),
    ...(except && { except }),
  };
}

/** Returns the operator of a target; every command goes to `send`. */
export function createOperator<Result>(
  target: Target,
  send: (command: Command) => Result,
): Operator<AnyEvents, Result> {
  const again = (more: Target) => createOperator({ ...target, ...more }, send);
  const to = (rooms: string | readonly string[]) => again({ rooms: addRooms(target.rooms, rooms) });
  const move = (what: "socketsJoin" | "socketsLeave") => (rooms: string | readonly string[]) =>
    send({ do: what, ...wordsOf(target, "in"), rooms: addRooms(undefined, rooms) });
  return {
    to,
    in: to,
    except: (rooms) => again({ except: addRooms(target.except, rooms) }),
    get volatile() {
      return again({ volatile: true });
    },
    emit: (event, ...args) =>
      send({
        do: "emit",
        ...wordsOf(target, "to"),
        event,
        args,
        ...(target.volatile && { volatile: true }),
      }),
    socketsJoin: move("socketsJoin"),
    socketsLeave: move("socketsLeave"),
    disconnectSockets: (close = false) =>
      send({ do: "disconnectSockets", ...wordsOf(target, "in"), close }),
  };
}
