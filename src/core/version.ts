import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

interface About {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

// The casts hold: this and every package has a package.json with a version.
const sluice = () => require("sluice/package.json") as About;

/** Returns the version of an installed package; of Sluice itself without a name. */
export function readVersion(name?: string): string {
  if (name === undefined) return sluice().version;
  // Not by `require`: many packages do not export their package.json.
  const paths = (require.resolve.paths(name) ?? []).map((at) => join(at, name, "package.json"));
  const path = paths.find((each) => existsSync(each));
  if (path === undefined) return "of an unknown version";
  return (JSON.parse(readFileSync(path, "utf8")) as About).version;
}

/** Returns the one version of a library that Sluice depends on. */
export function readPinnedVersion(name: string): string {
  return sluice().dependencies?.[name] ?? "another version";
}
