import type { Namespace, Server } from "socket.io";
import type {
  Answer,
  Apply,
  Command,
  CommandCaller,
  CommandName,
  EmitWithAckCommand,
  FetchCommand,
  Refused,
} from "../core/command.ts";
import { COMMAND_LIMITS } from "../core/commands.ts";
import { FAILURES, type FailureCode, FailureError } from "../core/failures.ts";
import { messageOf } from "../core/message-of.ts";
import { createAsk } from "./asked.ts";
import { createGathers, type Gathering, type GatherSettings, type Search } from "./gather.ts";
import { createHolds, type Held, type TellCommand } from "./hold.ts";
import { createNamespaceFinder, isAlone } from "./namespaces.ts";
import { type AnySocket, type Page, pageOf, showSocket } from "./present.ts";
import type { FanoutSamples } from "./samples.ts";

/** The only place where commands become broadcasts. */
export interface Executor {
  readonly apply: Apply;
  /**
   * Begins to keep commands for a socket that is being let in; to be ended by `release` once it is
   * connected, or by `drop`. `emitWithAck` and `fetchSockets` are never kept: they are about who is
   * there now, and a hook that awaited them would wait for itself. Nor are emits to a session that
   * is recovered, which its recovery brings.
   */
  hold(namespace: string, socketId: string, recovered?: boolean): Held;
  /**
   * Lists the rooms of a namespace with their sizes; `undefined` when there is no such namespace.
   */
  rooms(namespace: string, page: PageRequest): Promise<Page<PresentRoom> | undefined>;
  /** Commands carried out so far, by `command caller outcome`. */
  readonly samples: Readonly<Record<string, number>>;
}

/** Which page of a list. */
export interface PageRequest {
  readonly limit: number;
  readonly after?: string | undefined;
}

/** A room and how many sockets are in it. */
export interface PresentRoom {
  readonly room: string;
  readonly sockets: number;
}

/** What the executor is bounded by. */
export interface ExecutorSettings extends GatherSettings {
  /** Acknowledgements that may be awaited at once, those of broadcasts included. */
  readonly acksPendingMax: number;
  /** Sockets one `emitWithAck` may wait for. */
  readonly ackSocketsMax: number;
  /** Commands kept for one socket that is being let in. */
  readonly heldCommandsMax: number;
}

/** What an executor needs. */
export interface ExecutorNeeds {
  readonly server: Server;
  /** Where broadcasts count the acknowledgements they await. */
  readonly acks: Pick<FanoutSamples, "acksPending" | "acksMissed" | "acksRefused">;
}

// An answer that takes time: `started` resolves when the next command may follow it.
interface Slow {
  readonly started: Promise<void>;
  readonly answer: Promise<Answer>;
}

const OK: Answer = { ok: true };
const ask = createAsk();
const nothing = (): void => {};

/**
 * Returns the executor of a Socket.IO server.
 *
 * Commands mean exactly what the Socket.IO methods of their names do. They are started in their
 * order; an `emitWithAck` delays those behind it until it is sent, not until it is answered. A
 * command that cannot be carried out gets a refused answer and leaves the others alone. What looks
 * through sockets takes turns with that of other calls of `apply`, see {@link createGathers}.
 */
export function createExecutor(
  settings: ExecutorSettings,
  { server, acks }: ExecutorNeeds,
): Executor {
  const find = createNamespaceFinder(server);
  const samples: Record<string, number> = {};
  const gathers = createGathers(settings);
  const holds = createHolds(
    settings.heldCommandsMax,
    (command) => void begin(command, gathers.open()),
  );

  function begin(command: Command, gathering: Gathering): Answer | Slow {
    const name = command.namespace ?? "/";
    const namespace = find(name);
    if (!namespace) return refuse("COMMANDS_NO_NAMESPACE", name);
    if (namespace === "nobody" || isForNobody(command)) return tellNobody(command);
    try {
      if (command.do === "emitWithAck") {
        return askAll(namespace, command, { settings, acks, gathering });
      }
      if (command.do === "fetchSockets") return list(namespace, command, gathering);
      if (!holds.keep(name, command)) return refuse("COMMANDS_HELD_FULL", name);
      return tell(namespace, command);
    } catch (error) {
      return failed(error);
    }
  }

  async function apply(commands: readonly Command[], caller: CommandCaller): Promise<Answer[]> {
    const answers: (Answer | Promise<Answer>)[] = [];
    const gathering = gathers.open();
    for (const command of commands) {
      const begun = begin(command, gathering);
      if ("ok" in begun) {
        count(command.do, caller, begun);
        answers.push(begun);
        continue;
      }
      answers.push(begun.answer.then((answer) => count(command.do, caller, answer)));
      await begun.started;
    }
    const all = await Promise.all(answers);
    gathering.end();
    return all;
  }

  function count(command: CommandName, caller: CommandCaller, answer: Answer): Answer {
    const key = `${command} ${caller} ${answer.ok ? "ok" : "refused"}`;
    samples[key] = (samples[key] ?? 0) + 1;
    return answer;
  }

  return {
    apply,
    hold: holds.begin,
    async rooms(name, page) {
      const namespace = find(name);
      if (!namespace) return undefined;
      const rooms = namespace === "nobody" ? [] : await gathers.inTurn(() => countRooms(namespace));
      return pageOf(rooms, ({ room }) => room, page);
    },
    samples,
  };
}

// Commands that are over as soon as they are given.
function tell(namespace: Namespace, command: TellCommand): Answer {
  switch (command.do) {
    case "emit": {
      const to = choose(namespace, command.to, command.except);
      (command.volatile ? to.volatile : to).emit(command.event, ...(command.args ?? []));
      return OK;
    }
    case "socketsJoin":
      choose(namespace, command.in, command.except).socketsJoin([...command.rooms]);
      return OK;
    case "socketsLeave":
      choose(namespace, command.in, command.except).socketsLeave([...command.rooms]);
      return OK;
    case "disconnectSockets":
      choose(namespace, command.in, command.except).disconnectSockets(command.close ?? false);
      return OK;
    case "serverSideEmit":
      if (isAlone(namespace)) {
        return refuse("COMMANDS_NO_CLUSTER", command.event);
      }
      namespace.serverSideEmit(command.event, ...(command.args ?? []));
      return OK;
  }
}

// Socket.IO's own `io.to([])` is everyone; a command's empty list names nobody.
function isForNobody(command: Command): boolean {
  if ("to" in command) return command.to?.length === 0;
  return "in" in command && command.in?.length === 0;
}

// What is answered where nobody is.
function tellNobody(command: Command): Answer {
  switch (command.do) {
    case "emitWithAck":
      return { ok: true, answers: [], timedOut: [] };
    case "fetchSockets":
      return { ok: true, sockets: [] };
    case "serverSideEmit":
      return refuse("COMMANDS_NO_CLUSTER", command.event);
    default:
      return OK;
  }
}

type Operator = ReturnType<Namespace["in"]>;

function choose(
  namespace: Namespace,
  rooms: readonly string[] | undefined,
  except: readonly string[] | undefined,
): Operator {
  const chosen = namespace.to(rooms === undefined ? [] : [...rooms]);
  return except === undefined || except.length === 0 ? chosen : chosen.except([...except]);
}

function search(
  namespace: Namespace,
  rooms: readonly string[] | undefined,
  except: readonly string[] | undefined,
): Search {
  const { adapter, sockets } = namespace;
  return {
    // What it resolves with.
    find: () => choose(namespace, rooms, except).fetchSockets() as Promise<AnySocket[]>,
    count() {
      let count = rooms === undefined ? sockets.size : 0;
      for (const room of [rooms ?? [], except ?? []].flat()) {
        count += adapter.rooms.get(room)?.size ?? 0;
      }
      return count;
    },
  };
}

function list(namespace: Namespace, command: FetchCommand, gathering: Gathering): Slow {
  const { in: rooms, except, limit = COMMAND_LIMITS.fetchDefault, after } = command;
  const answer = gathering.sockets(search(namespace, rooms, except)).then((sockets): Answer => {
    const { items, next } = pageOf(sockets, (socket) => socket.id, { limit, after });
    gathering.hold(items.length);
    return { ok: true, sockets: items.map(showSocket), ...(next !== undefined && { next }) };
  }, failed);
  return { started: answer.then(nothing, nothing), answer };
}

/** What questions are bounded by, and where they are counted. */
interface Asking extends Pick<ExecutorNeeds, "acks"> {
  readonly settings: ExecutorSettings;
  readonly gathering: Gathering;
}

/**
 * One emit per socket rather than one broadcast: Socket.IO's own broadcast with acknowledgements
 * tells neither who answered nor who did not.
 */
function askAll(namespace: Namespace, command: EmitWithAckCommand, asking: Asking): Slow {
  const { to, except, event, args = [] } = command;
  const timeoutMs = command.timeoutMs ?? COMMAND_LIMITS.ackTimeoutMsDefault;
  const { settings, acks, gathering } = asking;
  const found = gathering.sockets(search(namespace, to, except));
  const sent = found.then((sockets): (() => Promise<Answer>) => {
    const { length } = sockets;
    if (length > settings.ackSocketsMax) {
      throw new FailureError("COMMANDS_TOO_MANY_SOCKETS", `${length} of ${settings.ackSocketsMax}`);
    }
    if (acks.acksPending + length > settings.acksPendingMax) {
      acks.acksRefused++;
      throw new FailureError("COMMANDS_ACKS_FULL");
    }
    acks.acksPending += length;
    const asked = ask(sockets, { event, args, timeoutMs }, (how) => {
      acks.acksPending--;
      if (how === "missed") acks.acksMissed++;
      else gathering.hold(1);
    });
    const answer = asked.then((all): Answer => ({ ok: true, ...all }), failed);
    return () => answer;
  });
  return {
    started: sent.then(nothing, nothing),
    answer: sent.then((wait) => wait()).catch(failed),
  };
}

// Every socket is in a room named by its id; those are not what anyone means by rooms. A room that
// is a number is listed by its text: pages are cut between texts.
async function countRooms(namespace: Namespace): Promise<PresentRoom[]> {
  const counts = new Map<string, number>();
  const add = (room: unknown, sockets: number) =>
    void counts.set(String(room), (counts.get(String(room)) ?? 0) + sockets);
  if (isAlone(namespace)) {
    const { rooms, sids } = namespace.adapter;
    for (const [room, ids] of rooms) if (!sids.has(room)) add(room, ids.size);
  } else {
    const everyone: AnySocket[] = await namespace.fetchSockets();
    const ids = new Set(everyone.map((socket) => socket.id));
    for (const { rooms } of everyone) for (const room of rooms) if (!ids.has(room)) add(room, 1);
  }
  return [...counts].map(([room, sockets]) => ({ room, sockets }));
}

function refuse(code: FailureCode, detail?: string): Refused {
  const { text } = FAILURES[code];
  return { ok: false, code, detail: detail === undefined ? text : `${text}: ${detail}` };
}

function failed(error: unknown): Refused {
  if (error instanceof FailureError) return refuse(error.code, error.detail);
  return refuse("COMMANDS_FAILED", messageOf(error));
}
