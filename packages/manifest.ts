/**
 * Makes package.json the one that is published, while npm packs: `manifest.ts publish | restore`.
 *
 * The packages of binaries are optional dependencies of the published package only. In this
 * repository they are not installed: they are generated from it, and their versions are not in any
 * registry before a release.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { namePackage, PLATFORMS } from "./uws/platforms.ts";

const FILE = fileURLToPath(new URL("../package.json", import.meta.url));
/** Where the repository's own package.json is meanwhile. */
const KEPT = `${FILE}.kept`;

interface Manifest {
  readonly version: string;
  readonly [key: string]: unknown;
}

/** Returns the package.json that is published. */
export function publishManifest(manifest: Manifest): Manifest {
  const { scripts: _, devDependencies: __, ...published } = manifest;
  const binaries = PLATFORMS.map((platform) => [namePackage(platform), manifest.version]);
  return { ...published, optionalDependencies: Object.fromEntries(binaries) };
}

function publish(): void {
  // A pack that was interrupted has left it.
  restore();
  const text = readFileSync(FILE, "utf8");
  writeFileSync(KEPT, text);
  const published = publishManifest(JSON.parse(text));
  writeFileSync(FILE, `${JSON.stringify(published, null, 2)}\n`);
}

function restore(): void {
  if (existsSync(KEPT)) renameSync(KEPT, FILE);
}

if (process.argv[2] === "publish") publish();
if (process.argv[2] === "restore") restore();
