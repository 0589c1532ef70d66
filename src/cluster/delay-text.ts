import type { CommandCaller } from "../core/command.ts";
import { readCommand } from "../core/commands.ts";
import type { DelayedCommand } from "../core/delays.ts";
import { readTraceContext } from "../core/trace.ts";
import { writeTaggedJson } from "../core/value.ts";
import { isObject } from "./messages.ts";

/** Writes a command as it is kept outside of its process. Throws for what JSON does not have. */
export function writeDelayed(delayed: DelayedCommand): string {
  return writeTaggedJson(delayed);
}

/** Reads a command; undefined for what no node of this version has written. */
export function readDelayed(text: string): DelayedCommand | undefined {
  try {
    const found: unknown = JSON.parse(text);
    if (!isObject(found) || !isCaller(found.caller)) return undefined;
    const command = readCommand(found.command);
    const { do: name } = command;
    if (name === "emitWithAck" || name === "fetchSockets" || name === "cancel") return undefined;
    const trace = isObject(found.trace) ? readTraceContext(found.trace) : undefined;
    return { command, caller: found.caller, ...(trace && { trace }) };
  } catch {
    return undefined;
  }
}

function isCaller(value: unknown): value is CommandCaller {
  return value === "api" || value === "upstream";
}
