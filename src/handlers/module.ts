import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { HandlerModule } from "./typed.ts";

/**
 * Imports the module at `path`, relative to `folder`. Throws one sentence if the module cannot be
 * found or its default export is not a function. If the module itself throws, now or when its
 * handler is called, the error has the stack in its message and the original as its `cause`.
 */
export async function loadHandler(path: string, folder: string): Promise<HandlerModule> {
  const file = isAbsolute(path) ? path : resolve(folder, path);
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    throw new Error(`handlers.module ${path} cannot be loaded: ${stackOrMessage(cause)}`, {
      cause,
    });
  }
  const handler = loaded.default;
  if (typeof handler !== "function") {
    throw new Error(`handlers.module ${path} must export a function (io) => void as its default`);
  }
  return async (io) => {
    try {
      await handler(io); // checked above: a function; its parameter is up to the module
    } catch (cause) {
      throw new Error(`handlers.module ${path} failed: ${stackOrMessage(cause)}`, { cause });
    }
  };
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
