import { isBytes } from "../core/bytes.ts";
import { ANSWER_LIMITS, type CallKind, type ConnectAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { BadCommand, COMMAND_LIMITS, readCommands } from "../core/commands.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import { isRecord } from "../core/tagged-json.ts";
import { reviveArgs } from "../core/value.ts";
import type { Posted } from "./post.ts";

/** What an answer of a function asks for, read and valid. */
export interface Answer extends ConnectAnswer {
  /** Arguments of the acknowledgement; none when the function gave none. */
  readonly ack?: readonly unknown[];
  readonly commands: readonly Command[];
}

/** How a call ended. */
export type Outcome = Answered | Failed;

/** The function took the call. */
export interface Answered {
  readonly ok: true;
  readonly answer: Answer;
  /** Resolves when the socket is in the rooms that the answer has it join. */
  readonly moved?: Promise<unknown> | undefined;
}

/** The function did not take the call, or was never asked. */
export interface Failed {
  readonly ok: false;
  readonly code: FailureCode;
  /** What is wrong with the answer. */
  readonly detail?: string | undefined;
  /** Status of the answer, if there was one. */
  readonly status?: number;
  /** What a function that refuses says. */
  readonly body?: Buffer;
  /** For how long the function asks to be left alone. */
  readonly pauseMs?: number;
}

/** How a request ended, its answer not read yet. */
export type Verdict = Taken | Failed;

/** The function took what it was asked. */
interface Taken {
  readonly ok: true;
  readonly status: number;
  readonly body: Buffer;
}

/** How the calls of one request ended. */
export interface Outcomes {
  /** Why the request failed as a whole, if it did. */
  readonly failed?: Failed | undefined;
  /** How the call with this id ended. */
  of(id: string): Outcome;
}

/** What a function says when it refuses. */
export interface ReadRefusal {
  readonly message: string | undefined;
  readonly data: unknown;
}

/** What is kept of a detail: it may name members, which a function or a client has named. */
const DETAIL_CHARS_MAX = 200;
const NOTHING: Answer = { ack: [], commands: [] };
/** How a batch's answer names calls that failed. */
const FAILED: Failed = { ok: false, code: "UPSTREAM_FAILED" };
const REFUSED: Failed = { ok: false, code: "UPSTREAM_REFUSED", status: 422 };

const POSTED: Readonly<Record<Extract<Posted, { failed: unknown }>["failed"], FailureCode>> = {
  unreachable: "UPSTREAM_UNREACHABLE",
  timeout: "UPSTREAM_TIMEOUT",
  too_large: "UPSTREAM_TOO_LARGE",
  encoded: "UPSTREAM_BAD_ANSWER",
  aborted: "UPSTREAM_STOPPING",
};

/** Statuses by which a function, and not a server in front of it, says no. */
const REFUSALS = new Set([401, 403, 422]);
/** Statuses below 500 that may pass: Request Timeout, Too Early. */
const PASSING = new Set([408, 425]);

/** Returns what an attempt means. `nowMs` is the wall clock, for dates in `Retry-After`. */
export function judge(posted: Posted, nowMs: number): Verdict {
  if ("failed" in posted) {
    return { ok: false, code: POSTED[posted.failed], detail: posted.detail };
  }
  const { status, body, retryAfter } = posted.answer;
  if (status >= 200 && status < 300) return { ok: true, status, body };
  if (status < 400) return { ok: false, code: "UPSTREAM_REDIRECTED", status };
  if (status === 410) return { ok: false, code: "UPSTREAM_GONE", status };
  if (status === 429 || status === 503) {
    const pauseMs = readRetryAfter(retryAfter, nowMs);
    if (pauseMs !== undefined) return { ok: false, code: "UPSTREAM_PAUSED", status, pauseMs };
    return { ok: false, code: status === 429 ? "UPSTREAM_PAUSED" : "UPSTREAM_FAILED", status };
  }
  if (REFUSALS.has(status)) return { ok: false, code: "UPSTREAM_REFUSED", status, body };
  if (status >= 500 || PASSING.has(status)) return { ok: false, code: "UPSTREAM_FAILED", status };
  return { ok: false, code: "UPSTREAM_REJECTED", status };
}

/**
 * What an attempt says about its origin's health; 429 and a stop of ours say nothing. Answers that
 * are not taken, too large ones among them, are answers: what a client sent may be all that is
 * wrong.
 */
export function healthOf(outcome: Verdict): "ok" | "failed" | "unknown" {
  if (outcome.ok) return "ok";
  switch (outcome.code) {
    case "UPSTREAM_UNREACHABLE":
    case "UPSTREAM_TIMEOUT":
    case "UPSTREAM_FAILED":
      return "failed";
    case "UPSTREAM_PAUSED":
    case "UPSTREAM_STOPPING":
      return "unknown";
    default:
      return "ok";
  }
}

function readRetryAfter(given: string | undefined, nowMs: number): number | undefined {
  if (given === undefined) return undefined;
  if (/^\d{1,9}$/.test(given.trim())) return Number(given) * 1000;
  // Date.parse takes "0.5" and "-1" for dates of 2001. One of HTTP begins with the day's name.
  const date = /^\s*[a-z]/i.test(given) ? Date.parse(given) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Returns what a request means that carried one call. */
export function readAlone(kind: CallKind, verdict: Verdict): Outcomes {
  const outcome = verdict.ok ? readOutcome(() => readAnswer(kind, verdict.body)) : verdict;
  return outcome.ok ? { of: () => outcome } : { failed: outcome, of: () => outcome };
}

/** Returns what a request means that carried a batch. The commands of each call are read alone. */
export function readBatch(verdict: Verdict): Outcomes {
  if (!verdict.ok) return { failed: verdict, of: () => verdict };
  try {
    const { answers, failed: named, commands } = readMembers(verdict.body);
    if (commands !== undefined) bad("commands of a batch stand in answers, by the event's id");
    const given = readById(answers, "answers");
    const again = readById(named, "failed");
    return {
      of(id) {
        const one = again.get(id);
        if (one) return one.retry === true ? FAILED : REFUSED;
        return readOutcome(() => readTold(withoutNulls(given.get(id) ?? {})));
      },
    };
  } catch (error) {
    const failed = badAnswer(error);
    return { failed, of: () => failed };
  }
}

function readOutcome(read: () => Answer): Outcome {
  try {
    return { ok: true, answer: read() };
  } catch (error) {
    return badAnswer(error);
  }
}

function badAnswer(error: unknown): Failed {
  if (!(error instanceof FailureError)) throw error;
  return { ok: false, code: error.code, detail: error.detail?.slice(0, DETAIL_CHARS_MAX) };
}

function readAnswer(kind: CallKind, body: Buffer): Answer {
  if (body.length === 0) return kind === "connect" ? { commands: [] } : NOTHING;
  const members = readMembers(body);
  const told = readTold(members);
  if (kind !== "connect") {
    told.ack = readArgs(members.ack);
    return told;
  }
  const { userId } = members;
  if (userId !== undefined && !isText(userId, ANSWER_LIMITS.userIdCharsMax)) bad("userId");
  return { ...told, ...(typeof userId === "string" && { userId }) };
}

/** Reads what every answer may say. */
function readTold({ data, rooms, commands }: Record<string, unknown>): Reading {
  const told: Reading = { commands: readTells(commands) };
  if (data !== undefined) {
    const [read] = readArgs([data]);
    if (!isRecord(read) || isBytes(read)) bad("data");
    told.data = read;
  }
  if (rooms !== undefined) told.rooms = readRooms(rooms);
  return told;
}

/** An answer that is being read. */
type Reading = { -readonly [Key in keyof Answer]: Answer[Key] };

function readRooms(given: unknown): NonNullable<Answer["rooms"]> {
  if (areRooms(given)) return given;
  if (!isRecord(given)) bad("rooms");
  const { join, leave } = withoutNulls(given);
  if (join !== undefined && !areRooms(join)) bad("rooms.join");
  if (leave !== undefined && !areRooms(leave)) bad("rooms.leave");
  return { ...(areRooms(leave) && { leave }), ...(areRooms(join) && { join }) };
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
    const text = typeof message === "string" ? message : undefined;
    return { message: text?.slice(0, ANSWER_LIMITS.messageCharsMax), data: args[0] };
  } catch {
    return { message: undefined, data: undefined };
  }
}

// Many languages write what is left out as null, or null for nothing at all.
function withoutNulls(given: Record<string, unknown>): Record<string, unknown> {
  for (const key in given) if (given[key] === null) return dropNulls(given);
  return given;
}

function dropNulls(given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

function readMembers(body: Buffer): Record<string, unknown> {
  return withoutNulls(readTree(body));
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
  if (typeof value !== "string" || value === "") return false;
  // Characters as JSON Schema counts them, and commands do: some are two of JavaScript's.
  return (
    value.length <= charsMax || (value.length <= 2 * charsMax && [...value].length <= charsMax)
  );
}

function bad(what: string): never {
  throw new FailureError("UPSTREAM_BAD_ANSWER", what);
}
