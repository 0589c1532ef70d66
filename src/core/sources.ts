import {
  describeSetting,
  nameSettings,
  readSettings,
  type SettingName,
  type SettingProblem,
  type SettingRow,
  SettingsError,
} from "./settings.ts";
import { describeUnknown } from "./suggest.ts";

/** Where settings come from, strongest first. */
export interface SettingSources {
  /** `--section.key value`, by path; `undefined` for a flag without a value. */
  readonly flags: ReadonlyMap<string, string | undefined>;
  /** Environment variables; those that start with `SLUICE_`, and `PORT`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The parsed contents of a settings file. */
  readonly file: unknown;
}

/** What functions call the gateway by, in every example: both may live in one environment. */
const OF_FUNCTIONS: ReadonlySet<string> = new Set(["SLUICE_URL", "SLUICE_KEY", "SLUICE_SECRET"]);

type Tree = { [key: string]: unknown };

/**
 * Merges flags over environment over file into one tree for `readSettings`, which checks it.
 *
 * Texts become what their setting wants: numbers, yes or no, lists separated by commas, JSON.
 * Throws {@link SettingsError} with every unknown variable, every text that cannot be read and
 * everything out of its bounds, at once.
 */
export function mergeSettings(sources: SettingSources): unknown {
  const problems: SettingProblem[] = [];
  const tree: Tree = structuredClone(isTree(sources.file) ? sources.file : {});
  const names = nameSettings();
  const byEnv = new Map(names.map((name) => [name.env, name]));
  const byPath = new Map(names.map((name) => [name.path, name]));

  const put = (name: SettingName, from: string, text: string): void => {
    const row = describeSetting(name);
    const value = readText(row, text);
    if (value !== undefined) setPath(tree, row.path, value);
    else {
      const shown = row.secret ? "(secret)" : JSON.stringify(text.slice(0, 200));
      problems.push({
        path: `${row.path} (from ${from})`,
        value: shown,
        bound: `must be ${row.bound}`,
      });
    }
  };

  const port = byPath.get("socket.port");
  const { PORT, SLUICE_SOCKET_PORT } = sources.env;
  if (port && PORT && !isSetting("SLUICE_SOCKET_PORT", SLUICE_SOCKET_PORT)) put(port, "PORT", PORT);
  for (const [name, text] of Object.entries(sources.env)) {
    if (!isSetting(name, text)) continue;
    const known = byEnv.get(name);
    if (known) put(known, name, text);
    else problems.push(unknown(name, describeUnknown(name, names, spellVariable)));
  }
  for (const [path, text] of sources.flags) {
    const known = byPath.get(path);
    const flag = `--${path}`;
    if (!known) problems.push(unknown(flag, describeUnknown(path, names, spellFlag)));
    else if (text !== undefined) put(known, flag, text);
    else if (describeSetting(known).kind === "boolean") put(known, flag, "true");
    else problems.push(valueless(flag, describeSetting(known)));
  }
  if (problems.length > 0) throw new SettingsError([...problems, ...problemsOf(tree)]);
  return tree;
}

/** What is wrong with the texts that could be read: told with the others, not after them. */
function problemsOf(tree: Tree): readonly SettingProblem[] {
  try {
    readSettings(tree);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

/** Whether a variable is meant for the gateway, if only by a mistyped name. */
function isSetting(name: string, text: string | undefined): text is string {
  if (!name.startsWith("SLUICE_") || text === undefined) return false;
  return !OF_FUNCTIONS.has(name) && !isServiceLink(name, text);
}

/**
 * Whether the variable is one that Kubernetes sets in every pod of a namespace with a Service whose
 * name begins with "sluice": host and port of it, the port as an address.
 */
function isServiceLink(name: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text);
}

function unknown(path: string, bound: string): SettingProblem {
  return { path, value: "(given)", bound };
}

const spellVariable = ({ env }: SettingName, value?: string) =>
  value === undefined ? env : `${env}=${value}`;

const spellFlag = ({ path }: SettingName, value?: string) =>
  value === undefined ? `--${path}` : `--${path} ${value}`;

function valueless(flag: string, { bound }: SettingRow): SettingProblem {
  return { path: flag, value: "(nothing)", bound: `wants a value, as in ${flag}=VALUE: ${bound}` };
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

function setPath(tree: Tree, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = tree;
  for (const key of keys) {
    const next = at[key];
    if (isTree(next)) at = next;
    else {
      const made: Tree = {};
      at[key] = made;
      at = made;
    }
  }
  at[last] = value;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
