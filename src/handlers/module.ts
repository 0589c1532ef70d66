import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** A handler module's default export: it registers listeners on a Socket.IO server. */
export type Handler<Server> = (io: Server) => void | Promise<void>;

/**
 * Imports the module at `path`, relative to `folder`. Throws one sentence when it cannot be read or
 * its default export is not a function, with the cause attached.
 */
export async function loadHandler<Server>(path: string, folder: string): Promise<Handler<Server>> {
  const file = isAbsolute(path) ? path : resolve(folder, path);
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n", 1)[0] ?? "") : String(cause);
    throw new Error(`handlers.module ${path} cannot be loaded: ${why}`, { cause });
  }
  const handler = loaded.default;
  if (typeof handler !== "function") {
    throw new Error(`handlers.module ${path} must export a function (io) => void as its default`);
  }
  return handler as Handler<Server>; // the contract of a handler module; its own types say the rest
}
