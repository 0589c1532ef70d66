import { isBytes } from "../core/bytes.ts";
import type { ConnectAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { BadCommand, COMMAND_LIMITS, readCommands } from "../core/commands.ts";
import { FailureError } from "../core/failures.ts";
import { isRecord } from "../core/tagged-json.ts";
import { reviveArgs } from "../core/value.ts";

/** What a function's answer asks for, read and valid. */
export interface ReadAnswer {
  /** Arguments of the acknowledgement; none when the function gave none. */
  readonly ack: readonly unknown[];
  readonly commands: readonly Command[];
}

/** An answer to a batch. */
export interface ReadBatchAnswer {
  /** Reads what an event's answer asks for. Throws UPSTREAM_BAD_ANSWER. */
  commandsOf(id: string): readonly Command[];
  /** By event id: whether it is to be sent again. */
  readonly failed: ReadonlyMap<string, boolean>;
}

/** An answer that lets a socket in. */
export interface ReadConnectAnswer extends ConnectAnswer {
  readonly commands: readonly Command[];
}

/** What a function says when it refuses. */
export interface ReadRefusal {
  readonly message: string | undefined;
  readonly data: unknown;
}

const USER_ID_CHARS_MAX = 256;
const MESSAGE_CHARS_MAX = 1024;
const NOTHING: ReadAnswer = { ack: [], commands: [] };

/** Reads an answer to an event or a disconnect. Throws UPSTREAM_BAD_ANSWER. */
export function readEventAnswer(body: Buffer): ReadAnswer {
  if (body.length === 0) return NOTHING;
  const { ack, commands } = readMembers(body);
  return { ack: readArgs(ack), commands: readTells(commands) };
}

/** Reads an answer to a connect call. Throws UPSTREAM_BAD_ANSWER. */
export function readConnectAnswer(body: Buffer): ReadConnectAnswer {
  if (body.length === 0) return { commands: [] };
  const { userId, data, rooms, commands } = readMembers(body);
  if (userId !== undefined && !isText(userId, USER_ID_CHARS_MAX)) bad("userId");
  const [read] = data === undefined ? [] : readArgs([data]);
  if (data !== undefined && (!isRecord(read) || isBytes(read))) bad("data");
  if (rooms !== undefined && !areRooms(rooms)) bad("rooms");
  return {
    ...(typeof userId === "string" && { userId }),
    ...(isRecord(read) && { data: read }),
    ...(areRooms(rooms) && { rooms }),
    commands: readTells(commands),
  };
}

/** Reads an answer to a batch, but for its commands. Throws UPSTREAM_BAD_ANSWER. */
export function readBatchAnswer(body: Buffer): ReadBatchAnswer {
  const { answers, failed, commands } = readMembers(body);
  if (commands !== undefined) bad("commands of a batch stand in answers, by the event's id");
  const given = readById(answers, "answers");
  const again = readById(failed, "failed");
  return {
    commandsOf: (id) => readTells(given.get(id)?.commands ?? undefined),
    failed: new Map([...again].map(([id, { retry }]) => [id, retry === true])),
  };
}

function readById(given: unknown = [], name: string): Map<string, Record<string, unknown>> {
  if (!Array.isArray(given)) bad(name);
  return new Map(
    given.map((one: unknown) =>
      isRecord(one) && typeof one.id === "string" ? [one.id, one] : bad(name),
    ),
  );
}

/** Reads what a function says when it refuses; never throws, since any text may come with a 4xx. */
export function readRefusal(body: Buffer | undefined): ReadRefusal {
  try {
    const { message, data } = readTree(body ?? Buffer.alloc(0));
    const args = [data];
    readArgs(args);
    const text = typeof message === "string" ? message.slice(0, MESSAGE_CHARS_MAX) : undefined;
    return { message: text, data: args[0] };
  } catch {
    return { message: undefined, data: undefined };
  }
}

// Many languages write what is left out as null, or null for nothing at all.
function readMembers(body: Buffer): Record<string, unknown> {
  const members = Object.entries(readTree(body)).filter(([, value]) => value !== null);
  return Object.fromEntries(members);
}

function readTree(body: Buffer): Record<string, unknown> {
  // It takes a byte order mark off, too. Some platforms end every answer with a line end.
  const text = body.toString("utf8").trim();
  if (text === "" || text === "null") return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new FailureError("UPSTREAM_BAD_ANSWER", "not JSON", { cause });
  }
  if (!isRecord(parsed)) bad("not an object");
  return parsed;
}

function readArgs(given: unknown): readonly unknown[] {
  if (given === undefined) return [];
  if (!Array.isArray(given) || given.length > COMMAND_LIMITS.argsMax) bad("ack");
  const wrong = reviveArgs(given, "json", COMMAND_LIMITS);
  if (wrong) bad(`${wrong.path} ${wrong.bound}`);
  return given;
}

/** Commands that are over when they are given: an answer has nobody who could be told more. */
function readTells(given: unknown): readonly Command[] {
  if (given === undefined) return [];
  try {
    const commands = readCommands(given);
    const index = commands.findIndex(
      (one) => one.do === "emitWithAck" || one.do === "fetchSockets",
    );
    if (index >= 0) bad(`command ${index} has an answer, which nobody would get`);
    return commands;
  } catch (cause) {
    if (!(cause instanceof BadCommand)) throw cause;
    throw new FailureError("UPSTREAM_BAD_ANSWER", cause.detail, { cause });
  }
}

function areRooms(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= COMMAND_LIMITS.roomsMax &&
    value.every((room) => isText(room, COMMAND_LIMITS.roomCharsMax))
  );
}

function isText(value: unknown, charsMax: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= charsMax;
}

function bad(what: string): never {
  throw new FailureError("UPSTREAM_BAD_ANSWER", what);
}
