import type { HttpResponse, TemplatedApp, us_listen_socket, WebSocket } from "uWebSockets.js";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { advise, type Machine, namePlatformPackage } from "./advice.ts";

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
  /** Version of uWebSockets.js, such as `20.57.0`. */
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

/** Sluice's own package of binaries for this system. */
const OWN = namePlatformPackage(process);

/**
 * Where a binary may be, in the order in which they are tried.
 *
 * A package named `uWebSockets.js` is there only if somebody has installed it: to run on an
 * official build, or because the application makes apps with it. An app must be served by the
 * binary that made it. `uwebsockets-legacy` is there only in Sluice's own repository.
 *
 * All are loaded by path, because the entry point of the legacy package falls back to a server in
 * JavaScript if its binary does not load.
 */
const CANDIDATES: readonly Candidate[] = [
  { binary: "current", module: "uWebSockets.js", folder: "." },
  { binary: "current", module: OWN, folder: "." },
  { binary: "legacy", module: OWN, folder: "legacy" },
  { binary: "legacy", module: "uwebsockets-legacy", folder: "binaries" },
];

let loaded: LoadedNative | undefined;

/**
 * Returns the uWebSockets.js that this machine can load, the first of those that are installed.
 * Throws one sentence each of what was tried, what this machine has and what to do.
 */
export function loadNative(): LoadedNative {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const tried: string[] = [];
  for (const { binary, module, folder } of CANDIDATES) {
    const root = findPackage(require, module);
    const path = join(root ?? "", folder, file);
    if (root === undefined) continue;
    if (!existsSync(path)) {
      if (folder === ".") tried.push(`${module} (it has no ${file})`);
      continue;
    }
    try {
      // The cast is safe: both binaries export these documented names.
      const uws = require(path) as Native;
      loaded = { uws, version: readNativeVersion(root, folder), binary, file };
      return loaded;
    } catch (error) {
      tried.push(`${module} (${firstLine(error)})`);
    }
  }
  throw new Error(writeRefusal(tried));
}

function writeRefusal(tried: readonly string[]): string {
  const found = tried.length > 0 ? `tried ${tried.join(", then ")}` : `${OWN} is not installed`;
  const { platform, arch, versions } = process;
  const machine: Machine = { platform, arch, abi: versions.modules, glibc: readGlibc() };
  return (
    `No uWebSockets.js binary loads here: ${found}. This machine has Node.js ${versions.node} ` +
    `(ABI ${machine.abi}) on ${platform} ${arch} with ${readLibc()}. ` +
    `${advise(machine, tried.length > 0)} See docs/uwebsockets.md.`
  );
}

/** Returns the folder of an installed package. */
function findPackage(require: NodeJS.Require, name: string): string | undefined {
  // Not by its entry point: a package of binaries has none, and others do not export package.json.
  const folders = (require.resolve.paths(name) ?? []).map((at) => join(at, name));
  return folders.find((folder) => existsSync(join(folder, "package.json")));
}

/** A package of Sluice's own says what the binaries in each of its folders are. */
interface About {
  readonly version?: string;
  readonly uWebSockets?: Readonly<Record<string, { readonly version: string }>>;
}

function readNativeVersion(root: string, folder: string): string {
  const about: About = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return about.uWebSockets?.[folder]?.version ?? about.version ?? "unknown";
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0] ?? "";
}

function readGlibc(): string | undefined {
  if (process.platform !== "linux") return undefined;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

/** Returns the name and version of this machine's C library, such as `glibc 2.36`. */
export function readLibc(): string {
  if (process.platform !== "linux") return "no glibc";
  const glibc = readGlibc();
  return glibc ? `glibc ${glibc}` : "another C library than glibc";
}
