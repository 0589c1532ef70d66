import { listSettings } from "../src/core/settings.ts";
import { code } from "./markdown.ts";

const SETTING_NAMES = new Set(listSettings().map((row) => row.path));

/** Returns a text of a table in which each setting is in code font and keeps its case. */
export function prose(text: string): string {
  const parts = text.split("`"); // those at odd places are in code font already
  return parts
    .map((part, at) =>
      at % 2 === 1
        ? part
        : part.replace(/\w+(?:\.\w+)+/g, (name) => (SETTING_NAMES.has(name) ? code(name) : name)),
    )
    .join("`");
}
