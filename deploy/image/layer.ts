import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, relative } from "node:path";

/** What an image adds to its base. */
export interface Layer {
  readonly files: number;
  readonly bytes: number;
  readonly gzipBytes: number;
  /** Over the paths, modes and contents, not the times: equal for two builds of the same source. */
  readonly digest: string;
}

/** Returns what `root` has that `base` has not, or has with another size or time. */
export function measureLayer(base: string, root: string): Layer {
  const added = listFiles(root).filter((path) => isAdded(base, root, path));
  const digest = createHash("sha256");
  let bytes = 0;
  for (const path of added) {
    const stat = lstatSync(join(root, path));
    bytes += stat.size;
    const content = stat.isSymbolicLink()
      ? readlinkSync(join(root, path))
      : readFileSync(join(root, path));
    const own = createHash("sha256").update(content).digest("hex");
    digest.update(`${(stat.mode & 0o777).toString(8)} ${path} ${own}\n`);
  }
  return { files: added.length, bytes, gzipBytes: gzip(root, added), digest: digest.digest("hex") };
}

function listFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function isAdded(base: string, root: string, path: string): boolean {
  const before = lstatSync(join(base, path), { throwIfNoEntry: false });
  if (!before) return true;
  const now = lstatSync(join(root, path));
  return before.size !== now.size || before.mtimeMs !== now.mtimeMs;
}

function gzip(root: string, paths: readonly string[]): number {
  const script = 'set -o pipefail; tar -C "$1" --null -T - -cf - | gzip -6 | wc -c';
  const input = paths.join("\0");
  const done = spawnSync("bash", ["-c", script, "layer", root], { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`tar: ${done.stderr}`);
  return Number(done.stdout.trim());
}
