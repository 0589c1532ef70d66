import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { refuseFile } from "../core/setting-files.ts";
import { findSyntaxError } from "./syntax.ts";
import type { HandlerModule } from "./typed.ts";

interface Exports {
  readonly default?: unknown;
  readonly fetch?: unknown;
  readonly http?: unknown;
}

/** What a handler module exports. */
export interface LoadedModule {
  /** Calls its default export. */
  readonly start: HandlerModule;
  /** Its own HTTP handler, in one of two forms; undefined if it exports none. Not checked. */
  readonly fetch: unknown;
  readonly http: unknown;
}

/**
 * Returns the file of a module: its path, relative to `folder`. Throws `SettingsError` if there is
 * no such file.
 */
export function checkModule(path: string, folder: string): string {
  const file = resolve(folder, path);
  // Asked first, because statSync throws for a null byte.
  if (!existsSync(file)) refuseFile(["handlers.module", path], `there is no file ${file}`);
  if (statSync(file).isDirectory()) refuseFile(["handlers.module", path], `${file} is a folder`);
  return file;
}

/**
 * Imports the module at `path`, relative to `folder`. TypeScript is loaded by tsx if that is
 * installed for the module, else by Node.js itself, which can from 22.18 on. Throws one sentence if
 * the module cannot be found or loaded, or its default export is not a function. If the module
 * itself throws, now or when its handler is called, the error has the stack in its message and the
 * original as its `cause`.
 */
export async function loadHandler(path: string, folder: string): Promise<LoadedModule> {
  const file = checkModule(path, folder);
  let loaded: Exports;
  try {
    if (isTypeScript(file)) await loadTsx(file);
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    if (isTypeScript(file) && isNoTypeScript(cause))
      throw new Error(sayTypeScript(path), { cause });
    const why = sayLoadError(file, cause);
    throw new Error(`handlers.module ${path} cannot be loaded: ${why}`, { cause });
  }
  const { default: handler, fetch, http } = exportsOf(loaded);
  if (typeof handler !== "function") {
    throw new Error(`handlers.module ${path} must export a function (io) => void as its default`);
  }
  const start: HandlerModule = async (io) => {
    try {
      await handler(io); // checked above: a function; its parameter is up to the module
    } catch (cause) {
      throw new Error(`handlers.module ${path} failed: ${stackOrMessage(cause)}`, { cause });
    }
  };
  return { start, fetch, http };
}

const isTypeScript = (file: string): boolean => /\.[cm]?tsx?$/.test(file);

/** Registers the tsx that the module's own imports would find, if there is one. */
async function loadTsx(file: string): Promise<void> {
  let tsx: string;
  try {
    tsx = createRequire(file).resolve("tsx");
  } catch {
    return; // Node.js may be able to load it by itself
  }
  // Before the module: Node.js remembers that it could not load a file. To import what `node
  // --import tsx` imports does the same.
  await import(pathToFileURL(tsx).href);
}

/** Whether Node.js refused to load TypeScript, or some of its syntax. */
function isNoTypeScript(error: unknown): boolean {
  const codes: readonly unknown[] = [
    "ERR_UNKNOWN_FILE_EXTENSION",
    "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  ];
  return error instanceof Error && "code" in error && codes.includes(error.code);
}

const sayTypeScript = (path: string): string =>
  `handlers.module ${path} is TypeScript that Node.js ${process.versions.node} cannot load: ` +
  "install tsx in its project (npm i -D tsx), or compile it";

/** Returns what a module exports. Of TypeScript compiled to CommonJS it is one level deeper. */
function exportsOf(loaded: Exports): Exports {
  const found = loaded.default;
  const isObject = typeof found === "object" && found !== null;
  return isObject && "default" in found ? found : loaded;
}

/**
 * Says why a module cannot be loaded. Of a syntax error it says the place, and leaves out the
 * stack, which is of Node.js' own files.
 */
function sayLoadError(file: string, error: unknown): string {
  const said = stackOrMessage(error);
  // The compiler of tsx puts the place into its message; its stack is of its own files.
  if (error instanceof Error && error.name === "TransformError") return error.message;
  if (!(error instanceof SyntaxError)) return said;
  // Node.js has put in the place if the module is CommonJS.
  const [placed] = /^\/.*:\d+\n[\s\S]*?\nSyntaxError: .*/.exec(said) ?? [];
  if (placed !== undefined || said.includes("://")) return placed ?? said;
  const place = findSyntaxError(file);
  return place === undefined ? said : `${error}\n${place}`;
}

/** Errors for a wrong file name: the message is enough. */
const NO_MODULE: readonly unknown[] = ["ERR_MODULE_NOT_FOUND", "ERR_UNKNOWN_FILE_EXTENSION"];

/** Returns the stack, unless the file was not found. Other errors are in the module itself. */
function stackOrMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isNone = "code" in error && NO_MODULE.includes(error.code);
  if (isNone) return error.message.split("\n", 1)[0] ?? "";
  const { message, stack = "" } = error;
  return stack.includes(message) ? stack : `${message}\n${stack}`;
}
