/** A setting; its path is section and key, such as `socket.port`. */
interface Named {
  readonly path: string;
}

/** Names that other programs use, and the settings they mean here. */
const MEANT: Readonly<Record<string, { readonly path: string; readonly value?: string }>> = {
  verbose: { path: "log.level", value: "debug" },
  debug: { path: "log.level", value: "debug" },
  quiet: { path: "log.level", value: "error" },
  p: { path: "socket.port" },
  bind: { path: "socket.host" },
  listen: { path: "socket.port" },
  cors: { path: "socket.origins" },
};

/** Settings that are gone, and those that came in their place. */
const GONE: Readonly<Record<string, { readonly path: string; readonly how: string }>> = {
  upstreamoverflow: { path: "upstream.full", how: "which is refuse, pause or close" },
};

/**
 * Returns the message for an unknown setting, with the setting that was probably meant. `format`
 * writes that one like the given word: as a path, a variable or a flag. Its `value` is set if the
 * word implies one, as "verbose" implies `log.level=debug`.
 */
export function describeUnknown<Name extends Named>(
  word: string,
  names: readonly Name[],
  format: (name: Name, value?: string) => string,
): string {
  const given = bare(word.replace(/^sluice_/i, ""));
  const gone = Object.hasOwn(GONE, given) ? GONE[given] : undefined;
  const heir = gone && names.find(({ path }) => path === gone.path);
  if (heir) return `is gone: set ${format(heir)}, ${gone.how}`;
  const meant = Object.hasOwn(MEANT, given) ? MEANT[given] : undefined;
  const name = meant
    ? names.find(({ path }) => path === meant.path)
    : (nearest(given, names) ?? containing(given, names));
  const none = "there is no such setting";
  if (!name) return `${none}; \`sluice --settings\` lists them`;
  return `${none}; did you mean ${format(name, meant?.value)}?`;
}

const bare = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");

/** A name with more than this share of its letters wrong counts as another name. */
const WRONG_SHARE_MAX = 0.4;

/** Returns the setting with the fewest edits to its path, its key or its section. */
function nearest<Name extends Named>(word: string, names: readonly Name[]): Name | undefined {
  let best: Name | undefined;
  let least = WRONG_SHARE_MAX;
  for (const name of names) {
    const [section = "", ...keys] = name.path.split(".");
    for (const form of [name.path, keys.at(-1) ?? "", section].map(bare)) {
      const share = edits(word, form) / Math.max(word.length, form.length);
      if (share < least) [best, least] = [name, share];
    }
  }
  return best;
}

/** Returns the first setting whose path contains the word, such as cluster.redisUrl for "redis". */
function containing<Name extends Named>(word: string, names: readonly Name[]): Name | undefined {
  return word.length < 3 ? undefined : names.find(({ path }) => bare(path).includes(word));
}

/** Returns the edit distance (Damerau-Levenshtein, adjacent swaps only). */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swaps ? (before[j - 2] ?? 0) + 1 : change;
      next.push(Math.min(change, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
