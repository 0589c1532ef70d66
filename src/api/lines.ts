import { isUtf8 } from "node:buffer";
import type { Command, CommandResult } from "../core/command.ts";
import { BadCommand, readCommand, readCommands } from "../core/commands.ts";
import { FAILURES, type FailureCode, FailureError, messageOf } from "../core/failures.ts";
import { writeTaggedJson } from "../core/value.ts";
import { checkGranted, type Grant } from "./grants.ts";
import { withoutUnsendable } from "./media.ts";

/** Lines whose commands are carried out together. */
export interface Lines {
  readonly commands: readonly Command[];
  /** Returns one line of results for each line, in their order, from the results of `commands`. */
  write(results: readonly CommandResult[]): string;
}

/** One line: its refusal, or how many of the commands came from it. */
type Line = { readonly refused: string } | { readonly count: number; readonly single: boolean };

const DONE = '{"ok":true}\n';

/**
 * Reads whole lines of NDJSON. Each line is a command or a list of commands. A refused line, such
 * as one longer than `bytesMax`, does not affect the others. Empty lines are skipped.
 *
 * Returns parts to carry out one after the other. A line that lists sockets is a part by itself, so
 * that its result is sent before the next list is built. Other lines share a part, so that none of
 * them waits for the acknowledgements of another.
 */
export function readLines(bytes: Buffer, bytesMax: number, grant: Grant): Lines[] {
  const parts: Lines[] = [];
  let commands: Command[] = [];
  let lines: Line[] = [];
  function cut(): void {
    const own = lines;
    if (own.length > 0) parts.push({ commands, write: (results) => writeLines(own, results) });
    commands = [];
    lines = [];
  }
  for (const text of splitLines(bytes)) {
    if (text !== undefined && text.trim() === "") continue;
    try {
      if (text !== undefined && isLonger(text, bytesMax)) {
        throw new FailureError("API_BODY_TOO_LARGE");
      }
      const read = readLine(text, grant);
      const lists = read.commands.some((command) => command.do === "fetchSockets");
      if (lists) cut();
      lines.push({ count: read.commands.length, single: read.single });
      for (const command of read.commands) commands.push(command);
      if (lists) cut();
    } catch (error) {
      lines.push({ refused: writeRefusal(error) });
    }
  }
  cut();
  return parts;
}

// A line that is not UTF-8 becomes `undefined`, and the other lines stay valid.
function splitLines(bytes: Buffer): (string | undefined)[] {
  if (isUtf8(bytes)) return bytes.toString("utf8").split("\n");
  return bytes
    .toString("latin1")
    .split("\n")
    .map((line) => {
      const own = Buffer.from(line, "latin1");
      return isUtf8(own) ? own.toString("utf8") : undefined;
    });
}

function isLonger(text: string, bytesMax: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8, so most lines need no exact measuring.
  return text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
}

function readLine(text: string | undefined, grant: Grant) {
  const value = parse(text);
  const single = !Array.isArray(value);
  const commands = single ? [readCommand(value)] : readCommands(value);
  checkGranted(grant, commands);
  return { commands, single };
}

function parse(text: string | undefined): unknown {
  if (text === undefined) throw new FailureError("API_BAD_BODY", "the line is not UTF-8");
  try {
    // A file may begin with a byte order mark.
    return JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text);
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("API_BAD_BODY", why.slice(0, 200), { cause });
  }
}

/** Returns a thrown failure as a line of results. Rethrows what is not a failure of the table. */
export function writeRefusal(error: unknown): string {
  if (!(error instanceof FailureError)) throw error;
  const { code, detail } = error;
  const where = error instanceof BadCommand && {
    index: error.index,
    path: error.path,
    bound: error.bound,
  };
  return `${JSON.stringify({ ok: false, code, detail: detail ?? FAILURES[code].text, ...where })}\n`;
}

function writeLines(lines: readonly Line[], results: readonly CommandResult[]): string {
  let at = 0;
  let text = "";
  for (const line of lines) {
    if ("refused" in line) {
      text += line.refused;
      continue;
    }
    const own = results.slice(at, at + line.count);
    at += line.count;
    const [first] = own;
    if (!line.single) text += `[${own.map((result) => writeResult(result).trim()).join(",")}]\n`;
    else if (first) text += writeResult(first);
  }
  return text;
}

// Most results have no content: then the line is a constant.
function writeResult(result: CommandResult): string {
  if (result.ok && Object.keys(result).length === 1) return DONE;
  try {
    return `${writeTaggedJson(result)}\n`;
  } catch {
    // As in writeValue(): `socket.data` may hold a bigint or a cycle. Written again below.
  }
  try {
    return `${writeTaggedJson(withoutUnsendable(result, writeTaggedJson))}\n`;
  } catch (cause) {
    const why = messageOf(cause);
    return writeRefusal(new FailureError("COMMANDS_FAILED", why, { cause }));
  }
}

/** Returns the results when no command can be carried out now. */
export function refuseAll(commands: readonly Command[], code: FailureCode): CommandResult[] {
  return commands.map(() => ({ ok: false, code, detail: FAILURES[code].text }));
}
