import "./prototype.ts";
import * as z from "zod/mini";
import type { Command, CommandName } from "./command.ts";
import { ENGLISH } from "./english.ts";
import { FailureError } from "./failures.ts";
import { RESERVED_EVENTS } from "./packet.ts";
import { reviveArgs } from "./value.ts";

/** How much one command may hold. These belong to the vocabulary, so they are not settings. */
export const COMMAND_LIMITS = {
  /** Commands of one batch. */
  batchMax: 1000,
  /** Rooms or socket ids of one list. */
  roomsMax: 1000,
  roomCharsMax: 1024,
  namespaceCharsMax: 256,
  eventCharsMax: 256,
  argsMax: 256,
  /** Levels arguments may nest: the default of `codec.depthMax`. */
  depthMax: 32,
  /** Bytes values of one event's arguments: the default of `codec.attachmentsMax`. */
  binariesMax: 10,
  ackTimeoutMsDefault: 5000,
  ackTimeoutMsMax: 60_000,
  fetchDefault: 1000,
  fetchMax: 10_000,
} as const;

// Socket.IO's own namespace events.
const RESERVED_SERVER_SIDE = new Set(["connect", "connection", "new_namespace"]);

/** What the API's description says of an argument. */
const optional = <T extends z.ZodMiniType>(
  schema: T,
  description: string,
  about: { readonly default?: unknown } = {},
) => {
  const argument = z.optional(schema);
  z.globalRegistry.add(argument, { description, ...about });
  return argument;
};
const word = (charsMax: number) => z.string().check(z.minLength(1), z.maxLength(charsMax));
const whole = (max: number) => z.int().check(z.gte(1), z.lte(max));

const namespace = optional(
  z.string().check(
    z.maxLength(COMMAND_LIMITS.namespaceCharsMax),
    // A comma ends the namespace in the text protocol, so no client could be in such a namespace.
    z.regex(/^\/[^\p{Cc},]*$/u, "must start with / and have no comma or control character"),
  ),
  "Namespace; `/` when left out.",
  { default: "/" },
);
const room = word(COMMAND_LIMITS.roomCharsMax);
const rooms = (description: string) =>
  optional(z.array(room).check(z.maxLength(COMMAND_LIMITS.roomsMax)), description);
const except = rooms("Rooms or socket ids that are left out; an empty list leaves nobody out.");
const to = rooms(
  "Rooms or socket ids; an empty list is nobody; without this field: everyone in the namespace.",
);
const eventBut = (reserved: ReadonlySet<string>) =>
  word(COMMAND_LIMITS.eventCharsMax).check(
    z.refine((name) => !reserved.has(name), "is reserved by Socket.IO"),
  );
const event = eventBut(RESERVED_EVENTS);
const args = optional(
  z.array(z.unknown()).check(z.maxLength(COMMAND_LIMITS.argsMax)),
  'The event\'s arguments. In JSON, bytes are `{"$binary":"<base64>"}`, and `{"$escape":{…}}` is ' +
    "an object of one key that only looks like that.",
);
const moved = (description: string) => {
  const list = z.array(room).check(z.maxLength(COMMAND_LIMITS.roomsMax));
  z.globalRegistry.add(list, { description });
  return list;
};
const timeoutMs = optional(
  whole(COMMAND_LIMITS.ackTimeoutMsMax),
  "How long to wait for acknowledgements.",
  { default: COMMAND_LIMITS.ackTimeoutMsDefault },
);
const limit = optional(whole(COMMAND_LIMITS.fetchMax), "Most sockets listed.", {
  default: COMMAND_LIMITS.fetchDefault,
});

/** The schema of every command, by its name. */
export const COMMANDS = {
  emit: z.strictObject({
    do: z.literal("emit"),
    namespace,
    to,
    except,
    event,
    args,
    volatile: optional(z.boolean(), "Whether clients that cannot take it now may miss it."),
  }),
  emitWithAck: z.strictObject({
    do: z.literal("emitWithAck"),
    namespace,
    to,
    except,
    event,
    args,
    timeoutMs,
  }),
  socketsJoin: z.strictObject({
    do: z.literal("socketsJoin"),
    namespace,
    in: to,
    except,
    rooms: moved("Rooms the sockets join; an empty list is none."),
  }),
  socketsLeave: z.strictObject({
    do: z.literal("socketsLeave"),
    namespace,
    in: to,
    except,
    rooms: moved("Rooms the sockets leave; an empty list is none."),
  }),
  disconnectSockets: z.strictObject({
    do: z.literal("disconnectSockets"),
    namespace,
    in: to,
    except,
    close: optional(z.boolean(), "Whether the connections are closed too."),
  }),
  fetchSockets: z.strictObject({
    do: z.literal("fetchSockets"),
    namespace,
    in: to,
    except,
    limit,
    after: optional(room, "The `next` of the page before."),
  }),
  serverSideEmit: z.strictObject({
    do: z.literal("serverSideEmit"),
    namespace,
    event: eventBut(RESERVED_SERVER_SIDE),
    args,
  }),
} as const satisfies { [Name in CommandName]: z.ZodMiniType<{ do: Name }> };

/** Every command's name, in the order of the docs. */
// The keys of COMMANDS are the names by its type.
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

const COMMAND = z.discriminatedUnion("do", [
  COMMANDS.emit,
  COMMANDS.emitWithAck,
  COMMANDS.socketsJoin,
  COMMANDS.socketsLeave,
  COMMANDS.disconnectSockets,
  COMMANDS.fetchSockets,
  COMMANDS.serverSideEmit,
]) satisfies z.ZodMiniType<Command>;

/** A command that was refused before any of its batch was carried out. */
export class BadCommand extends FailureError {
  /** Its place in the batch. */
  readonly index: number;
  /** Where in the command, such as `args.0.$binary`; empty for the command itself. */
  readonly path: string;
  /** What the value there must be. */
  readonly bound: string;
  constructor(index: number, path: string, bound: string) {
    super("COMMANDS_BAD", `command ${index}${path && `, ${path}`}: ${bound}`);
    this.index = index;
    this.path = path;
    this.bound = bound;
  }
}

/** How the arguments were written: JSON spells bytes, see core/spelling.ts. */
export type Notation = "json" | "msgpack";

/**
 * Returns the commands of a batch, each valid and its bytes as Buffers.
 *
 * Throws {@link BadCommand} for the first that is not, with its index, path and bound. `given` must
 * be freshly parsed: bytes are put in place into it.
 */
export function readCommands(given: unknown, notation: Notation = "json"): Command[] {
  if (!Array.isArray(given)) throw new BadCommand(0, "", "commands must be a list");
  if (given.length > COMMAND_LIMITS.batchMax) {
    throw new BadCommand(
      COMMAND_LIMITS.batchMax,
      "",
      `at most ${COMMAND_LIMITS.batchMax} commands`,
    );
  }
  return given.map((one, index) => readCommand(one, notation, index));
}

/** Returns one command, valid; throws {@link BadCommand}. See {@link readCommands}. */
export function readCommand(given: unknown, notation: Notation = "json", index = 0): Command {
  const read = COMMAND.safeParse(given, ENGLISH);
  if (!read.success) throw badCommand(index, read.error.issues[0]);
  const command: Command = read.data;
  if ("args" in command && command.args !== undefined && command.args.length > 0) {
    // A list zod has just built.
    const bad = reviveArgs(command.args as unknown[], notation, COMMAND_LIMITS);
    if (bad) throw new BadCommand(index, bad.path, bad.bound);
  }
  return command;
}

function badCommand(index: number, issue: z.core.$ZodIssue | undefined): BadCommand {
  const path = issue?.path.join(".") ?? "";
  if (issue?.code === "unrecognized_keys") {
    return new BadCommand(index, [path, issue.keys[0]].filter(Boolean).join("."), "no such key");
  }
  if (issue?.code === "invalid_union") {
    return new BadCommand(index, "do", `must be one of ${COMMAND_NAMES.join(", ")}`);
  }
  return new BadCommand(index, path, issue?.message ?? "not a command");
}
