import {
  describeSetting,
  nameSettings,
  readSettings,
  type SettingName,
  type SettingProblem,
  type SettingRow,
  SettingsError,
  showValue,
} from "./settings.ts";
import { describeNoJson } from "./settings-json.ts";
import { describeUnknown } from "./suggest.ts";
import { isRecord } from "./tagged-json.ts";

/** Where settings come from, strongest first. */
export interface SettingSources {
  /** `--section.key value`, by path; `undefined` for a flag without a value. */
  readonly flags: ReadonlyMap<string, string | undefined>;
  /** Environment variables. Those that start with `SLUICE_` are read, and `PORT`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The parsed contents of a settings file. */
  readonly file: unknown;
  /** The name of that file, for errors. */
  readonly fileName?: string | undefined;
}

/** Variables of functions in the examples, which may share an environment with the gateway. */
const OF_FUNCTIONS: ReadonlySet<string> = new Set(["SLUICE_URL", "SLUICE_KEY", "SLUICE_SECRET"]);

/**
 * Merges flags over environment over file into one tree for `readSettings`, which checks it.
 *
 * Texts are parsed as their setting needs: numbers, booleans, lists separated by commas, JSON.
 * Throws {@link SettingsError} with all problems at once: unknown variables and flags, texts that
 * cannot be parsed, values out of their bounds.
 */
export function mergeSettings(sources: SettingSources): unknown {
  const problems: SettingProblem[] = [];
  const tree: Record<string, unknown> = structuredClone(isRecord(sources.file) ? sources.file : {});
  const names = nameSettings();
  const byEnv = new Map(names.map((name) => [name.env, name]));
  const byPath = new Map(names.map((name) => [name.path, name]));

  const put = (name: SettingName, from: string, text: string): void => {
    const row = describeSetting(name);
    const value = readText(row, text);
    if (value !== undefined) setPath(tree, row.path, value);
    else {
      problems.push({ path: row.path, ...describeText(row, text), source: `from ${from}` });
    }
  };

  const port = byPath.get("socket.port");
  const { PORT, SLUICE_SOCKET_PORT } = sources.env;
  if (port && PORT && !isSetting("SLUICE_SOCKET_PORT", SLUICE_SOCKET_PORT)) put(port, "PORT", PORT);
  for (const [name, text] of Object.entries(sources.env)) {
    if (!isSetting(name, text)) continue;
    const known = byEnv.get(name);
    if (known) put(known, name, text);
    else problems.push(unknown(name, describeUnknown(name, names, formatVariable)));
  }
  for (const [path, text] of sources.flags) {
    const known = byPath.get(path);
    const flag = `--${path}`;
    if (!known) problems.push(unknown(flag, describeUnknown(path, names, formatFlag)));
    else if (text !== undefined) put(known, flag, text);
    else if (describeSetting(known).kind === "boolean") put(known, flag, "true");
    else problems.push(valueless(flag, describeSetting(known)));
  }
  if (problems.length === 0) return tree;
  // A weaker value of a setting whose text cannot be parsed would not be used.
  const isTold = ({ path }: SettingProblem) => problems.some((problem) => problem.path === path);
  throw new SettingsError([...problems, ...problemsOf(tree).filter((one) => !isTold(one))]);
}

/**
 * Returns an error whose problems also say where their values came from: the strongest of the
 * sources that has the setting.
 */
export function nameSources(error: SettingsError, sources: SettingSources): SettingsError {
  const named = error.problems.map((problem) => {
    const source = problem.source ?? findSource(problem.path, sources);
    return source === undefined ? problem : { ...problem, source };
  });
  return new SettingsError(named);
}

function findSource(
  path: string,
  { flags, env, file, fileName = "the settings file" }: SettingSources,
): string | undefined {
  // A problem may be inside of a setting, as in upstream.routes.0.url.
  const name = nameSettings().find((one) => `${path}.`.startsWith(`${one.path}.`));
  if (name && flags.has(name.path)) return `from --${name.path}`;
  if (name && isSetting(name.env, env[name.env])) return `from ${name.env}`;
  if (name?.path === "socket.port" && env.PORT) return "from PORT";
  if (isIn(file, name?.path ?? path)) return `from ${fileName}`;
  return name && "the default";
}

/** Whether a tree has a value at a path. */
function isIn(tree: unknown, path: string): boolean {
  let at = tree;
  for (const key of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return false;
    at = Reflect.get(at, key);
  }
  return true;
}

/** A tree of settings, by section. */
type Tree = Record<string, Record<string, unknown>>;

/** Defaults of development: a stop closes all connections at once. */
export const SHORT_DRAIN = { socket: { drainMs: 0 }, upstream: { drainMs: 2000 } } as const;

/**
 * Returns settings with other defaults where nothing was given: those of `defaults`. The settings
 * must be sound: a section that is none is taken for an empty one.
 */
export function withDefaults(given: unknown, defaults: Readonly<Tree>): Tree {
  const tree: Tree = {};
  for (const [name, section] of Object.entries(isRecord(given) ? given : {})) {
    tree[name] = isRecord(section) ? section : {};
  }
  for (const [name, section] of Object.entries(defaults)) {
    tree[name] = { ...section, ...tree[name] };
  }
  return tree;
}

/** Returns the problems of the values that could be parsed, to be reported with the others. */
function problemsOf(tree: Record<string, unknown>): readonly SettingProblem[] {
  try {
    readSettings(tree);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

/** Whether a variable is meant for the gateway; its name may be mistyped. */
function isSetting(name: string, text: string | undefined): text is string {
  if (!name.startsWith("SLUICE_") || text === undefined) return false;
  return !OF_FUNCTIONS.has(name) && !isServiceLink(name, text);
}

/**
 * Whether Kubernetes set the variable: in every pod it sets the host and port of each Service, and
 * the name of the Service may begin with "sluice".
 */
function isServiceLink(name: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text);
}

function unknown(path: string, bound: string): SettingProblem {
  return { path, value: "(given)", bound };
}

const formatVariable = ({ env }: SettingName, value?: string) =>
  value === undefined ? env : `${env}=${value}`;

const formatFlag = ({ path }: SettingName, value?: string) =>
  value === undefined ? `--${path}` : `--${path} ${value}`;

function valueless(flag: string, { bound }: SettingRow): SettingProblem {
  return { path: flag, value: "(nothing)", bound: `needs a value, as in ${flag}=VALUE: ${bound}` };
}

function readText(row: SettingRow, text: string): unknown {
  switch (row.kind) {
    case "number":
      return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
    case "boolean":
      return { true: true, "1": true, yes: true, false: false, "0": false, no: false }[
        text.trim().toLowerCase()
      ];
    case "list":
      return text === "" ? [] : text.split(",").map((part) => part.trim());
    case "json":
      try {
        return JSON.parse(text);
      } catch {
        return undefined;
      }
    default:
      return text;
  }
}

/** Returns a text that cannot be parsed, and what it must be. No part of JSON is shown. */
function describeText(row: SettingRow, text: string): Pick<SettingProblem, "value" | "bound"> {
  if (row.kind !== "json") {
    return { value: row.secret ? "(secret)" : showValue(text), bound: `must be ${row.bound}` };
  }
  return { value: "(given)", bound: `must be JSON: ${describeNoJson(text)}` };
}

function setPath(tree: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = tree;
  for (const key of keys) {
    const next = at[key];
    if (isRecord(next)) at = next;
    else {
      const made: Record<string, unknown> = {};
      at[key] = made;
      at = made;
    }
  }
  at[last] = value;
}
