/**
 * Writes the packages `@sluice/uws-<os>-<cpu>`: the binaries of uWebSockets.js for one system, out
 * of the two packages of the registry that package-lock.json pins. Each has the licence, a list of
 * where its binaries are from, and their checksums, which must be those of `sha256sums.txt`.
 *
 * - `generate.ts --here folder` writes the package of this system into `folder`, as into a
 *   `node_modules`, with only the binaries of this Node.js.
 * - `generate.ts --pin` writes `sha256sums.txt` anew, after a change of these versions.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { listBinaries, namePackage, PLATFORMS, type Platform, SOURCES } from "./platforms.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PINS = fileURLToPath(new URL("sha256sums.txt", import.meta.url));

/** What a package.json says. */
interface About {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly repository: { readonly url: string };
}

interface Binary {
  readonly path: string;
  /** Its path in our package, and before that the name of the package: its line in the pins. */
  readonly to: string;
  readonly pin: string;
}

const readAbout = (folder: string): About =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

const locate = (installed: string): string => join(ROOT, "node_modules", installed);

function findBinaries(platform: Platform): readonly Binary[] {
  return SOURCES.flatMap((source) =>
    listBinaries(platform, source).map((file) => ({
      path: join(locate(source.installed), source.binaries, file),
      to: join(source.folder, file),
      pin: `${readAbout(locate(source.installed)).name}/${join(source.binaries, file)}`,
    })),
  );
}

const hash = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** Returns the pinned checksums, by the path of a file in the package it is from. */
export function readPins(): ReadonlyMap<string, string> {
  const lines = readFileSync(PINS, "utf8").trim().split("\n");
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** How a package differs from the one that is published. */
interface How {
  readonly pins?: ReadonlyMap<string, string>;
  /** Only binaries of the Node.js with this binary interface. */
  readonly abi?: string;
}

/**
 * Writes the package of one system into `folder`. Throws, and writes no binary, if a checksum is
 * not the pinned one.
 */
export function writePackage(
  platform: Platform,
  folder: string,
  { pins = readPins(), abi = "" }: How = {},
): void {
  const binaries = findBinaries(platform).filter(({ to }) => to.endsWith(`${abi}.node`));
  const sums = binaries.map(({ path, pin, to }) => {
    const sum = hash(path);
    if (pins.get(pin) === sum) return `${sum}  ${to}`;
    throw new Error(`${pin} has the sha256 ${sum}, not the pinned ${pins.get(pin) ?? "one"}`);
  });
  for (const { path, to } of binaries) {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    copyFileSync(path, join(folder, to));
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "SHA256SUMS"), `${sums.join("\n")}\n`);
  writeFileSync(
    join(folder, "package.json"),
    `${JSON.stringify(describePackage(platform), null, 2)}\n`,
  );
  writeFileSync(join(folder, "README.md"), writeReadme(platform));
  // The licence of uWebSockets.js, of both packages, and of Sluice: Apache-2.0.
  copyFileSync(join(locate("uwebsockets-legacy"), "LICENSE"), join(folder, "LICENSE"));
}

function listSources(platform: Platform) {
  return SOURCES.filter((source) => listBinaries(platform, source).length > 0).map((source) => {
    const { name, version, license, repository } = readAbout(locate(source.installed));
    return { ...source, name, version, license, repository: repository.url };
  });
}

/** Returns the package.json of one system's package. */
export function describePackage(platform: Platform) {
  const { version, license, repository, ...about } = JSON.parse(
    readFileSync(join(ROOT, "package.json"), "utf8"),
  );
  const { os, cpu } = platform;
  const sources = listSources(platform).map(({ folder, name, ...source }) => [
    folder,
    { package: name, version: source.version, repository: source.repository },
  ]);
  return {
    name: namePackage(platform),
    version,
    description: `The binaries of uWebSockets.js that Sluice runs on, for ${os} on ${cpu}.`,
    license,
    repository: { ...repository, directory: "packages/uws" },
    bugs: about.bugs,
    homepage: about.homepage,
    engines: about.engines,
    os: [os],
    cpu: [cpu],
    // They are linked with glibc: on Alpine Linux nothing is installed.
    ...(os === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true,
    publishConfig: about.publishConfig,
    uWebSockets: Object.fromEntries(sources),
  };
}

function writeReadme(platform: Platform): string {
  const rows = listSources(platform).map(
    ({ folder, name, version, license, repository }) =>
      `- ${folder === "." ? "`uws_*.node`" : `\`${folder}/uws_*.node\``}: from \`${name}\` ` +
      `${version} (${license}, ${repository}), unchanged.`,
  );
  return [
    `# ${namePackage(platform)}`,
    "",
    "Binaries of [uWebSockets.js](https://github.com/uNetworking/uWebSockets.js), by Alex Hultman and",
    "contributors, under the Apache License 2.0. Sluice, a Socket.IO event gateway, installs this package.",
    "",
    ...rows,
    "",
    "`SHA256SUMS` has the checksum of each file: `sha256sum --check SHA256SUMS`.",
    "",
  ].join("\n");
}

function pin(): void {
  const lines = PLATFORMS.flatMap(findBinaries).map((each) => `${hash(each.path)}  ${each.pin}`);
  writeFileSync(PINS, `${lines.join("\n")}\n`);
}

function writeHere(modules: string): void {
  const { platform, arch, versions } = process;
  const here = PLATFORMS.find(({ os, cpu }) => os === platform && cpu === arch);
  if (here === undefined) throw new Error(`there are no binaries for ${platform} on ${arch}`);
  writePackage(here, join(modules, namePackage(here)), { abi: `_${versions.modules}` });
}

const [file, word, folder = ""] = process.argv.slice(1);
if (file === fileURLToPath(import.meta.url)) {
  if (word === "--pin") pin();
  else if (word === "--here" && folder !== "") writeHere(folder);
  else throw new Error("usage: generate.ts --here folder | --pin");
}
