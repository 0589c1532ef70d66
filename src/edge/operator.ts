import type { Command } from "../core/command.ts";

/**
 * Events by name, as Socket.IO declares them: `interface Events { news: (text: string) => void }`.
 */
export type EventsMap = object;

/** Any event with any arguments. */
export type AnyEvents = Record<string, (...args: unknown[]) => void>;

type NameOf<Events extends EventsMap> = keyof Events & string;

/** Arguments of an event, without the callback for its acknowledgement. */
export type ArgsOf<Events extends EventsMap, Name extends keyof Events> = WithoutAck<
  Events[Name] extends (...args: infer Args) => unknown ? Args : unknown[]
>;

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
  emit<Name extends NameOf<Events>>(event: Name, ...args: ArgsOf<Events, Name>): Result;
  socketsJoin(rooms: string | readonly string[]): Result;
  socketsLeave(rooms: string | readonly string[]): Result;
  /** With `close`, also closes their connections, with the sockets of other namespaces. */
  disconnectSockets(close?: boolean): Result;
}

/** An operator that also reaches other namespaces and the other nodes. */
export interface ServerOperator<Events extends EventsMap, Result> extends Operator<Events, Result> {
  /** Chooses a namespace. Default: `/`. */
  of(namespace: string): Operator<Events, Result>;
  /** Emits to the other nodes. */
  serverSideEmit(event: string, ...args: unknown[]): Result;
}

/** The sockets that a command is for. */
export interface Target {
  readonly namespace?: string;
  readonly rooms?: readonly string[];
  readonly except?: readonly string[];
  readonly volatile?: boolean;
}

/** Returns `known` with the rooms of `more` added. */
export function addRooms(
  known: readonly string[] | undefined,
  more: string | readonly string[],
): readonly string[] {
  return [...(known ?? []), ...(typeof more === "string" ? [more] : more)];
}

/** Returns the fields of a command that name its target; `key` is the field for the rooms. */
export function fieldsOf({ namespace, rooms, except }: Target, key: "to" | "in") {
  return {
    ...(namespace !== undefined && { namespace }),
    ...(rooms && { [key]: rooms }),
    ...(except && { except }),
  };
}

/** Returns an operator for a target. It passes every command to `send`. */
export function createOperator<Result>(
  target: Target,
  send: (command: Command) => Result,
): Operator<AnyEvents, Result> {
  const again = (more: Target) => createOperator({ ...target, ...more }, send);
  const to = (rooms: string | readonly string[]) => again({ rooms: addRooms(target.rooms, rooms) });
  const move = (what: "socketsJoin" | "socketsLeave") => (rooms: string | readonly string[]) =>
    send({ do: what, ...fieldsOf(target, "in"), rooms: addRooms(undefined, rooms) });
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
        ...fieldsOf(target, "to"),
        event,
        args,
        ...(target.volatile && { volatile: true }),
      }),
    socketsJoin: move("socketsJoin"),
    socketsLeave: move("socketsLeave"),
    disconnectSockets: (close = false) =>
      send({ do: "disconnectSockets", ...fieldsOf(target, "in"), close }),
  };
}
