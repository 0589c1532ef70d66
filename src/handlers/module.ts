import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** A handler module's default export: it registers listeners on a Socket.IO server. */
export type Handler<Server> = (io: Server) => void | Promise<void>;

/**
 * Imports the module at `path`, relative to `folder`. Throws one sentence when it cannot be found
 * or its default export is not a function, and for its own mistakes, now or when it is called, says
 * where they are; with the cause attached.
 */
export async function loadHandler<Server>(path: string, folder: string): Promise<Handler<Server>> {
  const file = isAbsolute(path) ? path : resolve(folder, path);
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    throw new Error(`handlers.module ${path} cannot be loaded: ${inWords(cause)}`, { cause });
  }
  const handler = loaded.default;
  if (typeof handler !== "function") {
    throw new Error(`handlers.module ${path} must export a function (io) => void as its default`);
  }
  return async (io) => {
    try {
      await handler(io); // the contract of a handler module; its own types say the rest
    } catch (cause) {
      throw new Error(`handlers.module ${path} failed: ${inWords(cause)}`, { cause });
    }
  };
}

/** Whoever named the wrong file needs no stack. */
const NO_MODULE: readonly unknown[] = ["ERR_MODULE_NOT_FOUND", "ERR_UNKNOWN_FILE_EXTENSION"];

/** Any other mistake is in the module, and hard to find without a stack. */
function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isNone = "code" in error && NO_MODULE.includes(error.code);
  if (isNone) return error.message.split("\n", 1)[0] ?? "";
  const { message, stack = "" } = error;
  return stack.includes(message) ? stack : `${message}\n${stack}`;
}
