import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

/** Returns the installed version of a package, or `unknown`. */
export function versionOf(name: string): string {
  for (const root of require.resolve.paths(name) ?? []) {
    try {
      const about: unknown = JSON.parse(readFileSync(join(root, name, "package.json"), "utf8"));
      if (typeof about === "object" && about !== null && "version" in about)
        return String(about.version);
    } catch {
      // Not in this node_modules; the next one up may have it.
    }
  }
  return "unknown";
}
