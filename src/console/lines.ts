import type { Log, LogFields, LogLevel } from "../core/log.ts";
import { mask } from "./masks.ts";

/** One line of the log, as the console shows it. */
export interface KeptLine {
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The latest warnings and errors of a gateway. */
export interface KeptLines {
  /** Returns a log that writes to `log`, and keeps its warnings and errors. */
  keep(log: Log): Log;
  /** Returns them, the oldest first. */
  list(): readonly KeptLine[];
}

/** Returns what keeps the last `max` warnings and errors. */
export function createKeptLines(max: number): KeptLines {
  const lines: KeptLine[] = [];
  return {
    keep: (log) => (level, fields, text) => {
      log(level, fields, text);
      if (level !== "warn" && level !== "error") return;
      // A copy by way of JSON: what is cut from a text or an object would else stay with it.
      const shown = JSON.parse(JSON.stringify(mask(showFields(fields))));
      lines.push({ at: Date.now(), level, text, fields: shown });
      if (lines.length > max) lines.shift();
    },
    list: () => lines,
  };
}

// Fields hold no tokens and no payloads. Of an error its message is shown: the log has the rest.
function showFields(fields: LogFields): Readonly<Record<string, unknown>> {
  const shown = Object.entries(fields).map(([name, value]) => {
    if (value instanceof Error) return [name, value.message] as const;
    if (name === "stack" || name === "why") return [name, firstLine(value)] as const;
    return [name, value] as const;
  });
  return Object.fromEntries(shown);
}

function firstLine(value: unknown): unknown {
  return typeof value === "string" ? value.split("\n", 1)[0] : value;
}
