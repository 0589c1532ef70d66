/**
 * Prints the changelog's section of a release: `notes.ts v1.2.3`.
 *
 * Exits with 1 if that version is not everywhere that a release takes it from, or if the changelog
 * says nothing of it: npm and the image's registry do not take a version twice.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parse } from "yaml";

/** What of a tree names the version, or tells of it. */
export interface ReleaseFiles {
  /** Versions by the file that names them. */
  readonly versions: ReadonlyMap<string, string>;
  readonly changelog: string;
}

/** Returns the section of the version in a changelog in the format of Keep a Changelog. */
export function readSection(changelog: string, version: string): string | undefined {
  const [, ...sections] = changelog.split(/^## /m);
  const found = sections.find((section) => section.startsWith(`[${version}]`));
  // Links by reference stand at the end of the file.
  const body = found?.slice(found.indexOf("\n")).replace(/^\[[^\]]+\]: .*$/gm, "");
  return body?.trim() || undefined;
}

/** Returns the notes of the release of this tag; throws an Error with all that is not ready. */
export function readNotes(tag: string, { versions, changelog }: ReleaseFiles): string {
  const version = tag.replace(/^v/, "");
  const notes = readSection(changelog, version);
  const problems = [...versions]
    .filter(([, named]) => named !== version)
    .map(([file, named]) => `${file} has ${named}`);
  if (!notes) problems.push(`CHANGELOG.md has no section [${version}], or an empty one`);
  if (problems.length > 0) throw new Error(`not ready for ${tag}: ${problems.join("; ")}`);
  return notes ?? "";
}

/** Reads what a release of this tree would take its version from. */
export function readFiles(tree: string): ReleaseFiles {
  const read = (path: string) => readFileSync(join(tree, path), "utf8");
  const versions = new Map<string, string>();
  for (const file of ["package.json", "packages/edge/package.json"]) {
    versions.set(file, JSON.parse(read(file)).version);
  }
  const chart = parse(read("deploy/helm/sluice/Chart.yaml"));
  versions.set("Chart.yaml (version)", chart.version);
  versions.set("Chart.yaml (appVersion)", chart.appVersion);
  return { versions, changelog: read("CHANGELOG.md") };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    const tree = fileURLToPath(new URL("../../", import.meta.url));
    console.log(readNotes(process.argv[2] ?? "", readFiles(tree)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
