import type * as Uws from "uWebSockets.js";
import { createRequire } from "node:module";
import { join } from "node:path";
import { folderOf, versionOf } from "./versions.ts";

/** The uWebSockets.js functions that subjects use. */
export type UwsModule = Pick<typeof Uws, "App" | "us_socket_local_port" | "us_listen_socket_close">;

/** Returns the first uWebSockets.js whose binary loads here, the current one before the legacy one. */
export function loadUws(): { uws: UwsModule; version: string } {
  const require = createRequire(import.meta.url);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const problems: string[] = [];
  for (const [name, folder] of [
    ["uWebSockets.js", "."],
    ["uwebsockets-legacy", "binaries"],
  ] as const) {
    try {
      const uws = require(join(folderOf(name), folder, file)) as UwsModule; // the addon's exports
      return { uws, version: `${versionOf(name)} (${name})` };
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no uWebSockets.js binary loads here: ${problems.join("; ")}`);
}
