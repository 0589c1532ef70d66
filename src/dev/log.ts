import type { Log, LogLevel } from "../core/log.ts";
import { type Paint, showText } from "./print.ts";

const LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** Characters of one field that are shown; a stack is shown whole. */
const FIELD_CHARS = 200;

/** What a readable log needs. */
export interface ReadableLogNeeds {
  readonly paint: Paint;
  print(line: string): void;
  /** Returns a field's text with the functions' own URLs in place of those of proxies. */
  rename(text: string): string;
}

/** Returns a log whose lines people read: those of at least `level`. */
export function createReadableLog(
  level: LogLevel | "silent",
  { print, paint, rename }: ReadableLogNeeds,
): Log {
  return (severity, { room, ...fields }, text) => {
    if (LEVELS.indexOf(severity) < LEVELS.indexOf(level)) return;
    const time = paint("dim", new Date().toTimeString().slice(0, 8));
    const colour = severity === "error" ? "red" : severity === "warn" ? "yellow" : "dim";
    const shown = Object.entries(fields)
      .filter(([, value]) => value !== undefined && !(value instanceof Error))
      .map(([name, value]) => ` ${name}=${rename(showField(value))}`);
    print(`${time}  ${paint(colour, severity)}  ${room}: ${showText(text)}${shown.join("")}`);
    for (const value of Object.values(fields)) {
      if (value instanceof Error) print(value.stack ?? value.message);
    }
  };
}

function showField(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return showText(text.length > FIELD_CHARS ? `${text.slice(0, FIELD_CHARS - 1)}…` : text);
}
