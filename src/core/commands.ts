import * as z from "zod/mini";
import type { Command, CommandName } from "./command.ts";
import { FailureError } from "./failures.ts";
import { type CodecName, RESERVED_EVENTS } from "./packet.ts";
import { reviveArgs } from "./value.ts";
import { VALUE } from "./value-schema.ts";
import { ENGLISH } from "./zod.ts";

/** Limits of one command. They are part of the API's contract, so they are not settings. */
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
  /** Binary values of one event's arguments: the default of `codec.attachmentsMax`. */
  binariesMax: 10,
  ackTimeoutMsDefault: 5000,
  ackTimeoutMsMax: 60_000,
  fetchDefault: 1000,
  fetchMax: 10_000,
  /** 30 days. */
  afterMsMax: 2_592_000_000,
  keyCharsMax: 256,
} as const;

// Socket.IO's own namespace events.
const RESERVED_SERVER_SIDE = new Set(["connect", "connection", "new_namespace"]);

/** An optional argument with its description for the OpenAPI document. */
const optional = <T extends z.ZodMiniType>(
  schema: T,
  description: string,
  about: { readonly default?: unknown } = {},
) => {
  const argument = z.optional(schema);
  z.globalRegistry.add(argument, { description, ...about });
  return argument;
};
const name = (charsMax: number) => z.string().check(z.minLength(1), z.maxLength(charsMax));
const whole = (max: number) => z.int().check(z.gte(1), z.lte(max));

const namespace = optional(
  z.string().check(
    z.maxLength(COMMAND_LIMITS.namespaceCharsMax),
    // A comma ends the namespace in JSON packets, so no client could be in such a namespace.
    z.regex(/^\/[^\p{Cc},]*$/u, "must start with / and have no comma or control character"),
  ),
  "The namespace.",
  { default: "/" },
);
const room = name(COMMAND_LIMITS.roomCharsMax);
const rooms = (description: string) =>
  optional(z.array(room).check(z.maxLength(COMMAND_LIMITS.roomsMax)), description);
const except = rooms("Rooms or socket ids to leave out.");
const to = rooms(
  "Rooms or socket ids. An empty list means nobody; without this field, everyone in the namespace.",
);
const eventExcept = (reserved: ReadonlySet<string>) => {
  const event = name(COMMAND_LIMITS.eventCharsMax).check(
    z.refine((one) => !reserved.has(one), "is reserved by Socket.IO"),
  );
  z.globalRegistry.add(event, { not: { enum: [...reserved] } });
  return event;
};
const event = eventExcept(RESERVED_EVENTS);
const args = optional(
  z.array(VALUE).check(z.maxLength(COMMAND_LIMITS.argsMax)),
  'The event\'s arguments. In JSON, write bytes as `{"$binary":"<base64>"}`. Put an object of your ' +
    'own that looks like this into `{"$escape":{…}}`.',
);
const requiredRooms = (description: string) => {
  const list = z.array(room).check(z.maxLength(COMMAND_LIMITS.roomsMax));
  z.globalRegistry.add(list, { description });
  return list;
};
const timeoutMs = optional(
  whole(COMMAND_LIMITS.ackTimeoutMsMax),
  "How long to wait for acknowledgements.",
  { default: COMMAND_LIMITS.ackTimeoutMsDefault },
);
const limit = optional(whole(COMMAND_LIMITS.fetchMax), "Sockets on a page, at most.", {
  default: COMMAND_LIMITS.fetchDefault,
});
const requiredKey = name(COMMAND_LIMITS.keyCharsMax);
z.globalRegistry.add(requiredKey, { description: "The key of a command with `afterMs`." });
const delay = {
  afterMs: optional(
    whole(COMMAND_LIMITS.afterMsMax),
    "Carries the command out after this many milliseconds. The answer comes at once.",
  ),
  key: optional(
    name(COMMAND_LIMITS.keyCharsMax),
    "With `afterMs`: the name by which `cancel` finds it. It replaces a waiting command of its namespace that has the same key.",
  ),
};

/** Makes the schema of a command whose `key` needs `afterMs`. */
const delayed = <T extends z.ZodMiniObject>(schema: T): T => {
  const isWhole = (one: unknown) => {
    const { key, afterMs } = one as { readonly key?: string; readonly afterMs?: number };
    return key === undefined || afterMs !== undefined;
  };
  const about = { path: ["key"], error: "is for a command with afterMs" };
  const checked = schema.check(z.refine(isWhole, about));
  z.globalRegistry.add(checked, { dependentRequired: { key: ["afterMs"] } });
  return checked;
};

/** The schema of each command, by name. */
export const COMMANDS = {
  emit: delayed(
    z.strictObject({
      do: z.literal("emit"),
      namespace,
      to,
      except,
      event,
      args,
      volatile: optional(
        z.boolean(),
        "If true, clients whose connection cannot take more data now miss the event.",
      ),
      ...delay,
    }),
  ),
  emitWithAck: z.strictObject({
    do: z.literal("emitWithAck"),
    namespace,
    to,
    except,
    event,
    args,
    timeoutMs,
  }),
  socketsJoin: delayed(
    z.strictObject({
      do: z.literal("socketsJoin"),
      namespace,
      in: to,
      except,
      rooms: requiredRooms("Rooms to join."),
      ...delay,
    }),
  ),
  socketsLeave: delayed(
    z.strictObject({
      do: z.literal("socketsLeave"),
      namespace,
      in: to,
      except,
      rooms: requiredRooms("Rooms to leave."),
      ...delay,
    }),
  ),
  disconnectSockets: delayed(
    z.strictObject({
      do: z.literal("disconnectSockets"),
      namespace,
      in: to,
      except,
      close: optional(z.boolean(), "If true, their connections are closed, too."),
      ...delay,
    }),
  ),
  fetchSockets: z.strictObject({
    do: z.literal("fetchSockets"),
    namespace,
    in: to,
    except,
    limit,
    after: optional(room, "The `next` of the previous page."),
  }),
  serverSideEmit: delayed(
    z.strictObject({
      do: z.literal("serverSideEmit"),
      namespace,
      event: eventExcept(RESERVED_SERVER_SIDE),
      args,
      ...delay,
    }),
  ),
  cancel: z.strictObject({
    do: z.literal("cancel"),
    namespace,
    key: requiredKey,
  }),
} as const satisfies { [Name in CommandName]: z.ZodMiniType<{ do: Name }> };

/** The names of all commands, in the order of the docs. */
// By its type, COMMANDS has exactly these keys.
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

const COMMAND = z.discriminatedUnion("do", [
  COMMANDS.emit,
  COMMANDS.emitWithAck,
  COMMANDS.socketsJoin,
  COMMANDS.socketsLeave,
  COMMANDS.disconnectSockets,
  COMMANDS.fetchSockets,
  COMMANDS.serverSideEmit,
  COMMANDS.cancel,
]) satisfies z.ZodMiniType<Command>;

/** An invalid command. None of its batch has been carried out. */
export class BadCommand extends FailureError {
  /** Its index in the batch. */
  readonly index: number;
  /** Where in the command, such as `args.0.$binary`; empty for the command itself. */
  readonly path: string;
  /** What the value at `path` must be. */
  readonly bound: string;
  constructor(index: number, path: string, bound: string) {
    super("COMMANDS_BAD", `command ${index}${path && `, ${path}`}: ${bound}`);
    this.index = index;
    this.path = path;
    this.bound = bound;
  }
}

/**
 * Returns the commands of a batch, validated, with bytes as Buffers. `codec` says how the batch was
 * encoded: JSON writes bytes as core/tagged-json.ts describes.
 *
 * Throws {@link BadCommand} for the first invalid one, with its index, path and bound. `given` must
 * be freshly parsed, because its arguments are changed in place.
 */
export function readCommands(given: unknown, codec: CodecName = "json"): Command[] {
  if (!Array.isArray(given)) throw new BadCommand(0, "", "commands must be a list");
  if (given.length > COMMAND_LIMITS.batchMax) {
    throw new BadCommand(
      COMMAND_LIMITS.batchMax,
      "",
      `at most ${COMMAND_LIMITS.batchMax} commands`,
    );
  }
  return given.map((one, index) => readCommand(one, codec, index));
}

/** Returns one command, validated. Throws {@link BadCommand}. See {@link readCommands}. */
export function readCommand(given: unknown, codec: CodecName = "json", index = 0): Command {
  const read = COMMAND.safeParse(given, ENGLISH);
  if (!read.success) throw badCommand(index, read.error.issues[0]);
  const command: Command = read.data;
  if ("args" in command && command.args !== undefined && command.args.length > 0) {
    // Zod has just built this array, so changing it is safe.
    const bad = reviveArgs(command.args as unknown[], codec, COMMAND_LIMITS);
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
