import type { HttpResponse, TemplatedApp, us_listen_socket, WebSocket } from "uWebSockets.js";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The exports that Sluice uses; both binaries have them. */
export interface Native {
  App(): TemplatedApp;
  SSLApp(options: Record<string, string | undefined>): TemplatedApp;
  us_listen_socket_close(socket: us_listen_socket): void;
  us_socket_local_port(socket: us_listen_socket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly SHARED_COMPRESSOR: number;
  readonly DISABLED: number;
}

/** The uWebSockets.js binary that was loaded. */
export interface LoadedNative {
  readonly uws: Native;
  /** Package version, such as `20.57.0`. */
  readonly version: string;
  readonly binary: "current" | "legacy";
  /** File name of the binary. */
  readonly file: string;
}

export type { HttpResponse, TemplatedApp, us_listen_socket, WebSocket };

interface Candidate {
  readonly binary: LoadedNative["binary"];
  readonly module: string;
  /** Folder of the binaries, relative to the package's root. */
  readonly folder: string;
}

// The legacy package's entry point falls back to a JavaScript server if its binary does not load.
// So both binaries are loaded by path.
const CANDIDATES: readonly Candidate[] = [
  { binary: "current", module: "uWebSockets.js", folder: "." },
  { binary: "legacy", module: "uwebsockets-legacy", folder: "binaries" },
];

let loaded: LoadedNative | undefined;

/**
 * Returns the uWebSockets.js that this machine can load: the current one, or else the legacy one.
 * Throws one sentence that says what was tried, what this machine has and what to install.
 */
export function loadNative(): LoadedNative {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const tried: string[] = [];
  for (const candidate of CANDIDATES) {
    try {
      const root = findPackage(require, candidate.module);
      // The cast is safe: both binaries export these documented names.
      const uws = require(join(root, candidate.folder, file)) as Native;
      const about: { version?: string } = JSON.parse(
        readFileSync(join(root, "package.json"), "utf8"),
      );
      loaded = { uws, version: about.version ?? "unknown", binary: candidate.binary, file };
      return loaded;
    } catch (error) {
      tried.push(`${candidate.module} (${firstLine(error)})`);
    }
  }
  throw new Error(
    `No uWebSockets.js binary loads here: tried ${tried.join(", then ")}; this machine has ` +
      `Node.js ${process.versions.node} (ABI ${process.versions.modules}) on ${process.platform} ` +
      `${process.arch} with ${readLibc()}; install uNetworking/uWebSockets.js#v20.57.0 (glibc 2.38 ` +
      "or newer) or #v20.52.0 (Node.js 20 to 24 on glibc 2.33 to 2.37) under the name uWebSockets.js.",
  );
}

function findPackage(require: NodeJS.Require, name: string): string {
  // The packages do not list package.json in `exports`, so walk up from the entry point.
  let folder = dirname(require.resolve(name));
  for (let up = 0; up < 3; up++) {
    try {
      readFileSync(join(folder, "package.json"));
      return folder;
    } catch {
      folder = dirname(folder);
    }
  }
  throw new Error(`${name} has no package.json`);
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0] ?? "";
}

/** Returns the name and version of this machine's C library, such as `glibc 2.36`. */
export function readLibc(): string {
  if (process.platform !== "linux") return "no glibc";
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const glibc = report.header?.glibcVersionRuntime;
  return glibc ? `glibc ${glibc}` : "another C library than glibc";
}
