import type { Log, LogLevel } from "../core/log.ts";
import { type Paint, showText } from "../core/terminal.ts";

const LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** Characters of one field that are shown; a stack is shown whole. */
const FIELD_CHARS = 200;

/** What a readable log needs. */
interface TextLogNeeds {
  readonly paint: Paint;
  /** Gets lines without their end. */
  print(line: string): void;
  /** Changes the text of a field before it is shown. Default: shows it as it is. */
  rename?(text: string): string;
}

/**
 * Returns a log for people: time by the clock, level, component, text, fields. Lines of at least
 * `level` are printed, each by one call. Whatever a client sent, it cannot begin a line of its own
 * or control the terminal.
 */
export function createTextLog(
  level: LogLevel | "silent",
  { print, paint, rename = (text) => text }: TextLogNeeds,
): Log {
  return (severity, { component, ...fields }, text) => {
    if (LEVELS.indexOf(severity) < LEVELS.indexOf(level)) return;
    const time = paint("dim", new Date().toTimeString().slice(0, 8));
    const colour = severity === "error" ? "red" : severity === "warn" ? "yellow" : "dim";
    const shown: string[] = [];
    const stacks: string[] = [];
    for (const [name, value] of Object.entries(fields)) {
      const stack = stackOf(name, value);
      if (stack !== undefined) stacks.push(...showStack(stack));
      else if (value !== undefined) shown.push(paint("dim", ` ${name}=${rename(show(value))}`));
    }
    const head = `${time}  ${paint(colour, severity.padEnd(5))}  ${component}: ${showText(text)}`;
    print([`${head}${shown.length > 0 ? " " : ""}${shown.join("")}`, ...stacks].join("\n"));
  };
}

function show(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return showText(text.length > FIELD_CHARS ? `${text.slice(0, FIELD_CHARS - 1)}…` : text);
}

/** Returns the stack that a field holds, if it is one. */
function stackOf(name: string, value: unknown): string | undefined {
  if (value instanceof Error) return value.stack ?? value.message;
  return name === "stack" && typeof value === "string" ? value : undefined;
}

/** Indented, so that no line of a message looks like a line of the log. */
function showStack(stack: string): string[] {
  return stack.split("\n").map((line) => `    ${showText(line)}`);
}
