import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./process.ts";

/** One fenced code block of a page that has a title. */
export interface CodeBlock {
  /** What stands behind `title=`, such as `server.ts`. */
  readonly title: string;
  /** The word after the fence, such as `ts`. */
  readonly language: string;
  readonly code: string;
}

/**
 * Returns the code blocks of a page that have a title, in their order: those that begin with a line
 * such as ```` ```ts title="server.ts" ````. `path` is relative to the project's folder. A test
 * that runs what this returns runs what a reader sees.
 */
export function readCodeBlocks(path: string): CodeBlock[] {
  return findCodeBlocks(readFileSync(join(ROOT, path), "utf8"));
}

/** Returns the code of the one block of a page with this title. Throws if it is not exactly one. */
export function readCodeBlock(path: string, title: string): string {
  const found = readCodeBlocks(path).filter((block) => block.title === title);
  const [only] = found;
  if (only && found.length === 1) return only.code;
  throw new Error(`${path} has ${found.length} code blocks with the title ${title}, and not one`);
}

/** Does what {@link readCodeBlocks} promises for the text of a page. */
export function findCodeBlocks(page: string): CodeBlock[] {
  // A block may be indented, inside a list. Its lines are then indented alike.
  const fenced = /^( *)(`{3,})(\w+)[^\n]*?\btitle="([^"\n]+)"[^\n]*\n(.*?)^\1\2 *$/gms;
  return [...page.matchAll(fenced)].map(
    ([, indent = "", , language = "", title = "", code = ""]) => ({
      title,
      language,
      code: indent === "" ? code : code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }),
  );
}
