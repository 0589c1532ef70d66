import {
  describeSetting,
  nameSettings,
  readSettings,
  type SettingName,
  type SettingProblem,
  type SettingRow,
  SettingsError,
} from "./settings.ts";

/** Where settings come from, strongest first. */
export interface SettingSources {
  /** `--section.key value`, by path. */
  readonly flags: ReadonlyMap<string, string>;
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
 * Texts become what their setting wants: numbers, yes or no, lists separated by commas, JSON. Throws
 * {@link SettingsError} with every unknown variable, every text that cannot be read and everything
 * out of its bounds, at once.
 */
export function gatherSettings(sources: SettingSources): unknown {
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
  if (port && PORT && SLUICE_SOCKET_PORT === undefined) put(port, "PORT", PORT);
  for (const [name, text] of Object.entries(sources.env)) {
    if (!name.startsWith("SLUICE_") || text === undefined) continue;
    if (OF_FUNCTIONS.has(name) || isServiceLink(name, text)) continue;
    const known = byEnv.get(name);
    if (known) put(known, name, text);
    else problems.push(unknown(name, nearest(name, [...byEnv.keys()])));
  }
  for (const [path, text] of sources.flags) {
    const known = byPath.get(path);
    if (known) put(known, `--${path}`, text);
    else problems.push(unknown(`--${path}`, `--${nearest(path, [...byPath.keys()])}`));
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

/**
 * Whether the variable is one that Kubernetes sets in every pod of a namespace with a Service whose
 * name begins with "sluice": host and port of it, the port as an address.
 */
function isServiceLink(name: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text);
}

function unknown(path: string, near: string): SettingProblem {
  return { path, value: "(given)", bound: `there is no such setting; did you mean ${near}?` };
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

/** The candidate with the fewest edits, for a hint. */
function nearest(word: string, candidates: readonly string[]): string {
  let best = candidates[0] ?? "";
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = edits(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
