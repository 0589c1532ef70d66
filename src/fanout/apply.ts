import type { Namespace, Server } from "socket.io";
import type { Apply } from "../core/apply.ts";
import type {
  CancelCommand,
  Command,
  CommandCaller,
  CommandResult,
  DelayableCommand,
  EmitWithAckCommand,
  FetchCommand,
  Refused,
} from "../core/command.ts";
import { COMMAND_LIMITS } from "../core/commands.ts";
import type { DelayedCommand, Delays } from "../core/delays.ts";
import { FAILURES, type FailureCode, FailureError, messageOf } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { TraceContext, Tracer } from "../core/trace.ts";
import { emitEach } from "./acks.ts";
import { createHolds, type Held, type TellCommand } from "./hold.ts";
import {
  choose,
  countRooms,
  findNamespace,
  isAlone,
  type PresentRoom,
  search,
} from "./namespaces.ts";
import type { FanoutSamples } from "./samples.ts";
import {
  createSearchQueue,
  type Page,
  type PageRequest,
  pageOf,
  type RequestSearches,
  showSocket,
} from "./search.ts";
import { type CommandSpans, traceCommands } from "./spans.ts";

/** Carries out commands, and lists rooms. */
export interface Executor {
  readonly apply: Apply;
  /** Does the same, for callers that need not wait for acks and lists of sockets. */
  start(commands: readonly Command[], caller: CommandCaller, parent?: TraceContext): Started;
  /**
   * Starts to hold commands for a socket that is still connecting. End it with `release` once the
   * socket is connected, or with `drop`. `emitWithAck` and `fetchSockets` are never held: they ask
   * for the sockets of this moment, and a connect hook that awaited them would wait for itself.
   * Emits to a recovered session are not held either: recovery sends them.
   */
  hold(namespace: string, socketId: string, recovered?: boolean): Held;
  /** Lists the rooms of a namespace with their sizes; `undefined` if there is no such namespace. */
  rooms(namespace: string, page: PageRequest): Promise<Page<PresentRoom> | undefined>;
  /** Number of commands by `command caller outcome`; the outcome is `ok` or `refused`. */
  readonly samples: Readonly<Record<string, number>>;
}

/** The limits of the executor. */
export type ExecutorSettings = Omit<
  Settings["fanout"],
  "unionMembersMax" | "delayedMax" | "delayedBytesMax"
>;

/** What the executor needs. */
interface ExecutorNeeds {
  readonly server: Server;
  readonly acks: AckSamples & Pick<FanoutSamples, "deliveries">;
  readonly trace?: Tracer | undefined;
  /** Keeps commands with `afterMs`. */
  readonly delays: Pick<Delays, "keep" | "cancel">;
}

/** Commands that have begun. */
interface Started {
  /**
   * Resolves when sockets have joined, left and been disconnected, also those of other nodes, and
   * commands with `afterMs` are kept.
   */
  readonly moved: Promise<unknown>;
  /** Resolves when every command has its result. */
  readonly results: Promise<CommandResult[]>;
}

// A result that is not there yet. Once `started` resolves, the next command may start.
interface Slow {
  /** Whether it waits for no client, but for Redis at most. */
  readonly isPrompt?: boolean;
  readonly started: Promise<void>;
  readonly result: Promise<CommandResult>;
}

/** What a command needs to begin. */
interface BeginNeeds {
  readonly searches: RequestSearches;
  readonly caller: CommandCaller;
  /** What gives it; set if commands are traced. */
  readonly trace?: TraceContext | undefined;
}

/** The samples in which broadcasts and commands count their acks. */
type AckSamples = Pick<FanoutSamples, "acksPending" | "acksMissed" | "acksRefused">;

const OK: CommandResult = { ok: true };
const nothing = (): void => {};

/**
 * Returns the executor of a Socket.IO server.
 *
 * Each command does exactly what the Socket.IO method of its name does. Commands start in order. An
 * `emitWithAck` delays the next command until it is sent, not until it is answered. A command that
 * cannot be carried out gets a refusal as its result; the others are still carried out. Searches
 * for sockets take turns with those of other calls of `apply`: see {@link createSearchQueue}.
 */
export function createExecutor(
  settings: ExecutorSettings,
  { server, acks, delays, trace }: ExecutorNeeds,
): Executor {
  const samples: Record<string, number> = {};
  const queue = createSearchQueue(settings);
  const holds = createHolds(
    settings.heldCommandsMax,
    (command) => void begin(command, { searches: queue.open(), caller: "upstream" }),
  );

  function begin(command: Command, given: BeginNeeds): CommandResult | Slow {
    const { searches } = given;
    // Before the namespace is looked for: one that is gone has commands that wait all the same.
    if (command.do === "cancel") return prompt(cancel(command, delays));
    const name = command.namespace ?? "/";
    const namespace = findNamespace(server, name);
    if (!namespace) return refuse("COMMANDS_NO_NAMESPACE", name);
    if (isDelayed(command)) return delay(command, { ...given, namespace, delays });
    if (namespace === "nobody" || isForNobody(command)) return tellNobody(command);
    try {
      if (command.do === "emitWithAck") {
        return emitWithAck(namespace, command, { settings, acks, searches });
      }
      if (command.do === "fetchSockets") return list(namespace, command, searches);
      if (!holds.keep(name, command)) return refuse("COMMANDS_HELD_FULL", name);
      return tell(namespace, command);
    } catch (error) {
      return failed(error);
    }
  }

  function start(
    commands: readonly Command[],
    caller: CommandCaller,
    parent?: TraceContext,
  ): Started {
    const searches = queue.open();
    const spans = trace && traceCommands(trace, { commands, caller, parent }, delivered);
    const { moved, results } = startEach(commands, {
      begin: (command) => begin(command, { searches, caller, trace: spans?.context }),
      count: (command, result) => count(`${command.do} ${caller}`, result),
      spans,
    });
    return { moved, results: results.finally(() => searches.end()) };
  }

  const delivered = () => acks.deliveries;

  function count(what: string, result: CommandResult): CommandResult {
    const key = `${what} ${result.ok ? "ok" : "refused"}`;
    samples[key] = (samples[key] ?? 0) + 1;
    return result;
  }

  return {
    start,
    apply: (commands, caller, parent) => start(commands, caller, parent).results,
    hold: holds.begin,
    async rooms(name, page) {
      const namespace = findNamespace(server, name);
      if (!namespace) return undefined;
      const rooms = namespace === "nobody" ? [] : await queue.inTurn(() => countRooms(namespace));
      return pageOf(rooms, ({ room }) => room, page);
    },
    samples,
  };
}

/** Begins commands in their order: each once the one before it has started. */
function startEach(
  commands: readonly Command[],
  each: {
    begin(command: Command): CommandResult | Slow;
    count(command: Command, result: CommandResult): CommandResult;
    readonly spans: CommandSpans | undefined;
  },
): Started {
  const { begin, count, spans } = each;
  const results: (CommandResult | Promise<CommandResult>)[] = [];
  const moves: Promise<CommandResult>[] = [];
  const run = async () => {
    for (const command of commands) {
      const ended = spans?.broadcast(command);
      const begun = begin(command);
      if ("ok" in begun) {
        ended?.(begun);
        results.push(count(command, begun));
        continue;
      }
      const result = begun.result.then((found) => count(command, found));
      results.push(result);
      if (ended) void result.then(ended);
      if (begun.isPrompt) moves.push(result);
      await begun.started;
    }
  };
  const begun = run();
  const all = begun.then(() => Promise.all(results));
  if (spans) void all.then(spans.end);
  return { moved: begun.then(() => Promise.all(moves)), results: all };
}

// Carries out a command that needs no answer from sockets.
function tell(namespace: Namespace, command: TellCommand): CommandResult | Slow {
  const { adapter } = namespace;
  switch (command.do) {
    case "emit": {
      const to = choose(namespace, command.to, command.except);
      (command.volatile ? to.volatile : to).emit(command.event, ...(command.args ?? []));
      return OK;
    }
    case "socketsJoin":
      return settle(adapter.addSockets(listed(command), [...command.rooms]));
    case "socketsLeave":
      return settle(adapter.delSockets(listed(command), [...command.rooms]));
    case "disconnectSockets":
      return settle(adapter.disconnectSockets(listed(command), command.close ?? false));
    case "serverSideEmit":
      if (isAlone(namespace)) {
        return refuse("COMMANDS_NO_CLUSTER", command.event);
      }
      namespace.serverSideEmit(command.event, ...(command.args ?? []));
      return OK;
  }
}

/**
 * Waits for what an adapter does to sockets, as Socket.IO's own methods do not: a caller who is
 * answered may rely on it, whichever node is asked next.
 */
function settle(done: unknown): CommandResult | Slow {
  if (!(done instanceof Promise)) return OK;
  return prompt(done.then(() => OK, failed));
}

function prompt(result: Promise<CommandResult>): Slow {
  return { isPrompt: true, started: Promise.resolve(), result };
}

type Delayed = DelayableCommand & { readonly afterMs: number };

function isDelayed(command: Command): command is Delayed {
  return "afterMs" in command && command.afterMs !== undefined;
}

// Has a command kept until its time.
function delay(
  { afterMs, key, ...command }: Delayed,
  needs: Omit<DelayedCommand, "command"> & {
    readonly namespace: Namespace | "nobody";
    readonly delays: Pick<Delays, "keep">;
  },
): CommandResult | Slow {
  const { namespace, caller, trace, delays } = needs;
  if (command.do === "serverSideEmit" && (namespace === "nobody" || isAlone(namespace))) {
    return refuse("COMMANDS_NO_CLUSTER", command.event);
  }
  const delayed = { command, caller, ...(trace && { trace }) };
  const kept = delays.keep(delayed, { afterMs, key }).then((how): CommandResult => {
    if (how === "full") return refuse("COMMANDS_DELAYED_FULL");
    if (how === "away") return refuse("COMMANDS_DELAYED_AWAY");
    return { ok: true, ...(key !== undefined && { key }) };
  });
  return prompt(kept.catch(failed));
}

async function cancel(
  { namespace = "/", key }: CancelCommand,
  delays: Pick<Delays, "cancel">,
): Promise<CommandResult> {
  const cancelled = await delays.cancel(namespace, key);
  return cancelled === "away" ? refuse("COMMANDS_DELAYED_AWAY") : { ok: true, cancelled };
}

function listed(command: Extract<TellCommand, { readonly in?: unknown }>) {
  return { rooms: new Set(command.in), except: new Set(command.except) };
}

// In Socket.IO `io.to([])` means everyone. In a command an empty list means nobody.
function isForNobody(command: Command): boolean {
  if ("to" in command) return command.to?.length === 0;
  return "in" in command && command.in?.length === 0;
}

// Answers a command that has no recipients.
function tellNobody(command: Command): CommandResult {
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

function list(namespace: Namespace, command: FetchCommand, searches: RequestSearches): Slow {
  const { in: rooms, except, limit = COMMAND_LIMITS.fetchDefault, after } = command;
  const result = searches
    .sockets(search(namespace, rooms, except))
    .then((sockets): CommandResult => {
      const { items, next } = pageOf(sockets, (socket) => socket.id, { limit, after });
      searches.hold(items.length);
      return { ok: true, sockets: items.map(showSocket), ...(next !== undefined && { next }) };
    }, failed);
  return { started: result.then(nothing, nothing), result };
}

/**
 * Emits to each socket by itself. Socket.IO's broadcast with acknowledgement does not tell which
 * sockets answered and which did not.
 */
function emitWithAck(
  namespace: Namespace,
  command: EmitWithAckCommand,
  needs: {
    readonly settings: ExecutorSettings;
    readonly acks: AckSamples;
    readonly searches: RequestSearches;
  },
): Slow {
  const { to, except, event, args = [] } = command;
  const timeoutMs = command.timeoutMs ?? COMMAND_LIMITS.ackTimeoutMsDefault;
  const { settings, acks, searches } = needs;
  const found = searches.sockets(search(namespace, to, except));
  const sent = found.then((sockets): (() => Promise<CommandResult>) => {
    const { length } = sockets;
    if (length > settings.ackSocketsMax) {
      throw new FailureError("COMMANDS_TOO_MANY_SOCKETS", `${length} of ${settings.ackSocketsMax}`);
    }
    if (acks.acksPending + length > settings.acksPendingMax) {
      acks.acksRefused++;
      throw new FailureError("COMMANDS_ACKS_FULL");
    }
    acks.acksPending += length;
    const acked = emitEach(sockets, { event, args, timeoutMs }, (how) => {
      acks.acksPending--;
      if (how === "missed") acks.acksMissed++;
      else searches.hold(1);
    });
    const result = acked.then((all): CommandResult => ({ ok: true, ...all }), failed);
    return () => result;
  });
  return {
    started: sent.then(nothing, nothing),
    result: sent.then((wait) => wait()).catch(failed),
  };
}

function refuse(code: FailureCode, detail?: string): Refused {
  const { text } = FAILURES[code];
  return { ok: false, code, detail: detail === undefined ? text : `${text}: ${detail}` };
}

function failed(error: unknown): Refused {
  if (error instanceof FailureError) return refuse(error.code, error.detail);
  return refuse("COMMANDS_FAILED", messageOf(error));
}
