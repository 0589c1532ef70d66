/** Packs this tree as a release does, and installs it in empty folders. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, ROOT, type Scope } from "../harness/process.ts";
import { until } from "../harness/wait.ts";
import { serveRegistry } from "./registry.ts";

/** What the packages are made of, other than the pages at the top. */
const PARTS = ["src", "console", "packages", "examples", "docs", "LICENSE", "build.ts"];
const FILES = /^((package|package-lock|tsconfig\.?\w*)\.json|.*\.md)$/;
const MADE = ["dist", "node_modules", "packed", "site"];

const CACHE = join(ROOT, "node_modules/.cache/packed");
const PACK_MS = 180_000;
const INSTALL_MS = 180_000;

/** Runs a command to its end, and resolves with what it printed; rejects with that if it fails. */
export async function run(
  command: readonly string[],
  folder: string,
  { env = {}, withinMs = INSTALL_MS }: { env?: NodeJS.ProcessEnv; withinMs?: number } = {},
): Promise<string> {
  const [file = "", ...words] = command;
  const options = { cwd: folder, env: { ...process.env, ...env }, timeout: withinMs };
  const child = spawn(file, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(status ?? signal));
  });
  if (code === 0) return text;
  throw new Error(`${command.join(" ")} ended with ${code}:\n${text}`);
}

function listParts(): readonly string[] {
  const names = readdirSync(ROOT).filter((name) => PARTS.includes(name) || FILES.test(name));
  return names.flatMap((name) => listFiles(name)).sort();
}

function listFiles(path: string): readonly string[] {
  if (statSync(join(ROOT, path)).isFile()) return [path];
  const names = readdirSync(join(ROOT, path)).filter((name) => !MADE.includes(name));
  return names.flatMap((name) => listFiles(join(path, name)));
}

function hashTree(): string {
  const hash = createHash("sha256");
  for (const path of listParts()) hash.update(path).update(readFileSync(join(ROOT, path)));
  return hash.digest("hex").slice(0, 16);
}

/** Packs a copy of the tree, so that nothing in this one changes, into `to`. */
async function pack(to: string): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "sluice-packed-"));
  try {
    for (const path of listParts()) cpSync(join(ROOT, path), join(copy, path));
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const words = ["npm", "run", "--silent", "pack", "--", "--here", "--to", to];
    await run(words, copy, { withinMs: PACK_MS });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** Waits while another test file packs; resolves with whether this one must. */
async function isFirst(lock: string, done: string): Promise<boolean> {
  let first = false;
  const isFree = () => {
    if (existsSync(done)) return true;
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      first = true;
    } catch {
      const pid = existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
      // Its process has ended before it was done.
      if (pid > 0 && !isAlive(pid)) rmSync(lock, { force: true });
    }
    return first;
  };
  await until(isFree, "another test file packs", PACK_MS);
  return first;
}

/**
 * Packs `sluice`, `@sluice/edge` and the binaries for this system, and resolves with the folder of
 * their tarballs. A tree is packed once: test files that run beside this one wait for it, and later
 * runs find it until a file of the tree changes.
 */
export async function packSluice(): Promise<string> {
  const name = hashTree();
  const done = join(CACHE, name);
  mkdirSync(CACHE, { recursive: true });
  const lock = `${done}.lock`;
  if (await isFirst(lock, done)) {
    // Another may have finished between the two looks of this one.
    if (!existsSync(done)) await packInto(done, name);
    rmSync(lock);
  }
  return done;
}

async function packInto(done: string, name: string): Promise<void> {
  const others = readdirSync(CACHE).filter((other) => !other.startsWith(name));
  for (const other of others) rmSync(join(CACHE, other), { recursive: true, force: true });
  const made = `${done}.made`;
  await pack(made);
  renameSync(made, done);
}

/** Returns the tarball of a packed package. */
export function findTarball(folder: string, name: "sluice" | "sluice-edge"): string {
  const file = readdirSync(folder).find((each) => new RegExp(`^${name}-\\d.*\\.tgz$`).test(each));
  if (file === undefined) throw new Error(`${name} is not in ${folder}`);
  return join(folder, file);
}

/** How a folder is installed. */
export interface InstallOptions {
  /** Further packages with their versions, such as `hono@4.10.1` or `@sluice/edge`. */
  readonly packages?: readonly string[];
  /** More of the folder's package.json, such as `{ type: "commonjs" }`. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Further words for npm. */
  readonly flags?: readonly string[];
}

/**
 * Installs the packed `sluice` in an empty folder, as a stranger does: socket.io comes as its peer,
 * the binaries come for this system only, and no package's scripts run. Resolves with the folder,
 * which is removed after the test. The packages `@sluice/…` come from this tree, all others from
 * the registry that npm uses here.
 *
 * Start a process in it by `startProcess(t, inFolder(folder, ["npx", "sluice"]))`.
 */
export async function installPacked(
  t: Pick<Scope, "after">,
  { packages = [], manifest = {}, flags = [] }: InstallOptions = {},
): Promise<string> {
  const tarballs = await packSluice();
  const folder = mkdtempSync(join(tmpdir(), "sluice-installed-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const about = { name: "stranger", private: true, type: "module", ...manifest };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(about)}\n`);
  const registry = await serveRegistry(tarballs);
  try {
    writeFileSync(join(folder, ".npmrc"), `@sluice:registry=${registry.url}\n`);
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const words = ["npm", "install", ...quiet, ...flags];
    await run([...words, findTarball(tarballs, "sluice"), ...packages], folder);
  } finally {
    await registry.close();
  }
  return folder;
}

/** Returns a command that runs in `folder`. */
export function inFolder(folder: string, command: readonly string[]): readonly string[] {
  return ["env", "-C", folder, ...command];
}
