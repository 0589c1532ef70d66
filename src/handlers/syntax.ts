import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Files that are looked at, the module's own and those that it imports. */
const FILES_MAX = 100;
const CHECK_MS = 5000;
/** `from "./file.js"` and `import "./file.js"`. */
const IMPORTS = /(?:from|import)\s*["'](\.{1,2}\/[^"']+)["']/g;

/**
 * Returns where the first syntax error of a module is, or of the files that it imports: the file
 * and line, the line itself, and a mark. Node.js says that only for errors that nobody catches, so
 * another process of it looks at the files. None of them is run. Returns undefined if it finds
 * nothing.
 */
export function findSyntaxError(module: string): string | undefined {
  const files = new Set([module]);
  for (const file of files) {
    const text = readText(file);
    const place = checkFile(file) ?? checkModuleText(file, text);
    if (place !== undefined) return place;
    for (const [, path = ""] of text.matchAll(IMPORTS)) {
      if (files.size < FILES_MAX) files.add(resolve(dirname(file), path));
    }
  }
  return undefined;
}

function checkFile(file: string): string | undefined {
  const { name, place } = check([file]);
  return name === file ? `${file}:${place}` : undefined;
}

/** Of a .js file whose package.json names no type, Node.js 20 takes a syntax error for none. */
function checkModuleText(file: string, text: string): string | undefined {
  if (!file.endsWith(".js") || !/^\s*(import|export)\b/m.test(text)) return undefined;
  const { place } = check(["--input-type=module", "-"], text);
  return place && `${file}:${place}`;
}

/** Has Node.js check a file: returns the name that it prints, and the line with a mark. */
function check(args: readonly string[], input = ""): { name?: string; place?: string } {
  const options = { encoding: "utf8", timeout: CHECK_MS, input } as const;
  const { stderr } = spawnSync(process.execPath, ["--check", ...args], options);
  return /^(?<name>.*):(?<place>\d+\n.*\n *\^+)/m.exec(stderr ?? "")?.groups ?? {};
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // such as an import in a comment
  }
}
