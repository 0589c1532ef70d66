/** Under which names a further certificate must be added to be served before the earlier ones. */
export interface ServerNames {
  next(names: readonly string[]): ServerNamesStep;
}

/** What one further certificate is added under. */
export interface ServerNamesStep {
  /** Patterns to add it under, none twice. */
  readonly patterns: readonly string[];
  /** Names for which no pattern is left. */
  readonly exhausted: readonly string[];
}

/** uWebSockets.js looks no deeper. */
const LABELS_MAX = 10;

/**
 * Returns the order of patterns by which certificates follow each other without one being removed.
 *
 * uWebSockets.js serves a connection by the most specific pattern that matches its server name,
 * label by label from the left. Removing a pattern would free the routes that open keep-alive
 * connections still use, so each further certificate takes the next more specific pattern of its
 * names: for `a.example` that is `*.*`, `*.example`, `a.*`, `a.example`. A name of n labels can so
 * be renewed 2^n times in the life of a process.
 */
export function createServerNames(): ServerNames {
  /** The step in which each pattern was taken. */
  const taken = new Map<string, number>();
  let step = 0;

  function patternFor(labels: readonly string[]): string | undefined {
    const last = 2 ** labels.length - 1;
    for (let mask = last; mask >= 0; mask--) {
      const at = taken.get(toPattern(labels, mask));
      if (at === undefined) continue;
      if (at === step) return toPattern(labels, mask); // shared with another name of this step
      return mask === last ? undefined : toPattern(labels, mask + 1);
    }
    return toPattern(labels, 0);
  }

  return {
    next(names) {
      step++;
      const patterns = new Set<string>();
      const exhausted: string[] = [];
      for (const name of names) {
        const labels = name.split(".");
        const pattern = labels.length > LABELS_MAX ? undefined : patternFor(labels);
        // A wildcard name has two masks for one pattern: what is taken already is of no use.
        const stale = pattern !== undefined && (taken.get(pattern) ?? step) < step;
        if (pattern === undefined || stale) {
          exhausted.push(name);
          continue;
        }
        taken.set(pattern, step);
        patterns.add(pattern);
      }
      return { patterns: [...patterns], exhausted };
    },
  };
}

/**
 * The labels whose bit is set stand as they are, the others as `*`; the left-most bit counts most.
 */
function toPattern(labels: readonly string[], mask: number): string {
  const top = labels.length - 1;
  return labels.map((label, at) => ((mask >> (top - at)) & 1 ? label : "*")).join(".");
}
