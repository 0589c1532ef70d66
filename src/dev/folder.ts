import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../core/command-line.ts";
import { messageOf } from "../core/failures.ts";

/** The folder, within the current one, that `sluice dev` keeps its files in. */
export const FOLDER = ".sluice";

/** Where the secrets are that `sluice dev` made: what `node --env-file` reads. */
export const ENV_FILE = join(FOLDER, "dev.env");

/** Where calls are recorded unless `--record` says otherwise. */
export const RECORDING = join(FOLDER, "calls.ndjson");

/** What a function needs to know of its gateway; the names of its environment variables. */
export interface FunctionEnv {
  /** The gateway's signing secrets, with commas between them. */
  readonly SLUICE_SECRET: string;
  /** The secret of an API key. */
  readonly SLUICE_KEY: string;
}

/** Returns the secrets of {@link ENV_FILE} in `cwd`; none if there is no such file. */
export function readEnvFile(cwd: string): Partial<FunctionEnv> {
  const path = join(cwd, ENV_FILE);
  if (!existsSync(path)) return {};
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${messageOf(error)}`);
  }
  const find = (name: string) => new RegExp(`^${name}=(\\S+)$`, "m").exec(text)?.[1];
  const [secret, key] = [find("SLUICE_SECRET"), find("SLUICE_KEY")];
  return {
    ...(secret !== undefined && { SLUICE_SECRET: secret }),
    ...(key !== undefined && { SLUICE_KEY: key }),
  };
}

/** Returns secrets that nobody can guess. */
export function makeSecrets(): FunctionEnv {
  return {
    SLUICE_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
    SLUICE_KEY: randomBytes(24).toString("hex"),
  };
}

/** Creates the folder in `cwd`, which git ignores by itself. */
export function makeFolder(cwd: string): void {
  const path = join(cwd, FOLDER);
  if (existsSync(path)) return;
  makeFolders(path);
  writeFileSync(join(path, ".gitignore"), "*\n");
}

/** Writes {@link ENV_FILE}, for its owner's eyes alone. Creates the folder. */
export function writeEnvFile(cwd: string, env: Readonly<Record<string, string>>): void {
  makeFolder(cwd);
  const text = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(cwd, ENV_FILE), text.join(""), { mode: 0o600 });
}

/**
 * Makes a folder and those above it that are missing. Throws what `mkdirSync` throws, whose own
 * option `recursive` never comes back in /proc: there no folder can be made, though its parent is.
 */
export function makeFolders(path: string): void {
  if (existsSync(path)) return;
  makeFolders(dirname(path));
  mkdirSync(path);
}
