/** Finds the patterns under which a renewed certificate takes precedence over earlier ones. */
export interface ServerNames {
  /**
   * Returns the distinct patterns to add a certificate for `names` under, and those names for which
   * no pattern is left.
   */
  next(names: readonly string[]): {
    readonly patterns: readonly string[];
    readonly exhausted: readonly string[];
  };
}

/** uWebSockets.js matches no more labels than this. */
const LABELS_MAX = 10;

/**
 * Returns the source of patterns by which a certificate is renewed without removing the old one.
 *
 * uWebSockets.js serves a connection by the most specific pattern that matches its server name,
 * label by label from the left. Removing a pattern would free the routes that open keep-alive
 * connections still use. So each renewed certificate takes the next more specific pattern of its
 * names: for `a.example` that is `*.*`, `*.example`, `a.*`, `a.example`. A name of n labels can
 * therefore be renewed 2^n times in the life of a process.
 */
export function createServerNames(): ServerNames {
  /** The call of `next` in which each pattern was taken, counted from 1. */
  const taken = new Map<string, number>();
  let step = 0;

  function patternFor(labels: readonly string[]): string | undefined {
    const last = 2 ** labels.length - 1;
    for (let mask = last; mask >= 0; mask--) {
      const at = taken.get(toPattern(labels, mask));
      if (at === undefined) continue;
      if (at === step) return toPattern(labels, mask); // taken in this call by another name
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
        // Two masks of a wildcard name give the same pattern. One that an earlier certificate has
        // cannot be used again.
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
 * Returns a pattern: labels whose bit in `mask` is set stay, the others become `*`. The highest bit
 * is the leftmost label.
 */
function toPattern(labels: readonly string[], mask: number): string {
  const top = labels.length - 1;
  return labels.map((label, at) => ((mask >> (top - at)) & 1 ? label : "*")).join(".");
}
