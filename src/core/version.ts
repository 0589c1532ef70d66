import { createRequire } from "node:module";

/** Returns the version of an installed package; of Sluice itself without a name. */
export function readVersion(name = "sluice"): string {
  const require = createRequire(import.meta.url);
  return (require(`${name}/package.json`) as { version: string }).version; // every package has one
}
