import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

interface About {
  readonly name?: string;
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const SOCKET_IO = "socket.io";

// The cast holds: this package has a package.json with a version.
const sluice = () => require("sluice/package.json") as About;

/** Returns the version of Sluice. */
export function readVersion(): string {
  return sluice().version;
}

/**
 * Returns the version of socket.io, or of a package that it uses: of the copies that Sluice uses,
 * too. Others of the same name may be installed.
 */
export function readSocketIoVersion(name: string): string {
  try {
    const beside = createRequire(require.resolve(SOCKET_IO));
    const entry = name === SOCKET_IO ? require.resolve(name) : beside.resolve(name);
    return readAbout(dirname(entry), name).version;
  } catch {
    return "of an unknown version";
  }
}

/** Reads the package.json of a package, from a folder in it. Many packages do not export theirs. */
function readAbout(folder: string, name: string): About {
  try {
    // The cast holds: every package.json of this name has a version.
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as About;
    if (about.name === name) return about;
  } catch {}
  if (dirname(folder) === folder) throw new Error(`${name} has no package.json`);
  return readAbout(dirname(folder), name);
}

/** Returns the versions of socket.io that Sluice is made for, such as `~4.8.0`. */
export function readSocketIoRange(): string {
  return sluice().peerDependencies?.[SOCKET_IO] ?? "another version";
}
