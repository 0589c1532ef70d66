import { readFileSync } from "node:fs";
import { UsageError } from "./command-line.ts";
import { messageOf } from "./failures.ts";
import { isRecord } from "./tagged-json.ts";

/** Returns the object that a settings file holds. Throws {@link UsageError}. */
export function readSettingsFile(path: string): object {
  const found = parse(path, readText(path));
  if (isRecord(found)) return found;
  throw new UsageError(`--config ${path} must hold an object of sections`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`--config ${path} cannot be read: ${messageOf(error)}`);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--config ${path} cannot be read: it is no JSON: ${describeNoJson(text)}`);
  }
}

const BLANK = /[ \t\r\n]*/y;
const TOKEN =
  /[{}[\],:]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bf]|[nrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;

/** What may come next, in words. */
const WANTED = {
  value: "a value",
  element: "a value or ]",
  key: "a name in double quotes",
  member: "a name in double quotes or }",
  colon: "a colon",
  next: "a comma or the end of a list or object",
  end: "the end of the file",
} as const;

/**
 * Returns where a text stops to be JSON, and what was expected there, in words. Unlike the message
 * of `JSON.parse`, which may show a secret, it holds nothing of the text. The text must not be
 * JSON.
 */
export function describeNoJson(text: string): string {
  const open: ("{" | "[")[] = [];
  let want: keyof typeof WANTED = "value";
  let at = 0;
  for (;;) {
    at += matchAt(BLANK, text, at).length;
    const token = matchAt(TOKEN, text, at);
    const then = step(want, token, open);
    if (then === undefined) break;
    want = then;
    at += token.length;
  }
  const lines = text.slice(0, at).split("\n");
  const column = (lines.at(-1)?.length ?? 0) + 1;
  return `line ${lines.length}, column ${column}: expected ${WANTED[want]}`;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

/** Returns what may come behind a token, or undefined if the token may not be here. */
function step(
  want: keyof typeof WANTED,
  token: string,
  open: ("{" | "[")[],
): keyof typeof WANTED | undefined {
  const after = () => (open.length > 0 ? "next" : "end");
  const close = () => {
    open.pop();
    return after();
  };
  const inner = open.at(-1);
  if (token === "" || want === "end") return undefined;
  if (want === "colon") return token === ":" ? "value" : undefined;
  if (want === "next" && token === ",") return inner === "{" ? "key" : "value";
  if ((want === "next" || want === "member") && token === "}" && inner === "{") return close();
  if ((want === "next" || want === "element") && token === "]" && inner === "[") return close();
  if (want === "key" || want === "member") return token.startsWith('"') ? "colon" : undefined;
  if (want === "next" || "}],:".includes(token)) return undefined;
  if (token !== "{" && token !== "[") return after();
  open.push(token);
  return token === "{" ? "member" : "element";
}
