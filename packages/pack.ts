/**
 * Packs every package of this repository into `packed/`: `npm run pack [-- --here] [-- --to folder]`.
 * With `--here`, of the packages of binaries only the one for this system.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writePackage } from "./uws/generate.ts";
import { PLATFORMS } from "./uws/platforms.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

function pack(folder: string, to: string): void {
  const words = ["pack", folder, "--silent", "--pack-destination", to];
  const { status } = spawnSync("npm", words, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error(`npm pack ${folder} failed`);
}

const { values } = parseArgs({ options: { here: { type: "boolean" }, to: { type: "string" } } });
const to = resolve(values.to ?? join(ROOT, "packed"));
const isHere = ({ os, cpu }: (typeof PLATFORMS)[number]) =>
  os === process.platform && cpu === process.arch;

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
pack(ROOT, to);
pack(join(ROOT, "packages/edge"), to);
const temporary = mkdtempSync(join(tmpdir(), "sluice-pack-"));
try {
  for (const platform of PLATFORMS.filter((each) => values.here !== true || isHere(each))) {
    const folder = join(temporary, `${platform.os}-${platform.cpu}`);
    mkdirSync(folder);
    writePackage(platform, folder);
    pack(folder, to);
  }
} finally {
  rmSync(temporary, { recursive: true });
}
