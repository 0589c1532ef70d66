/** Numbers by name, at one moment. */
export type Figures = ReadonlyMap<string, number>;

/** The figures of the last minutes. */
export interface History {
  /** Names of the columns, in the order in which they first had a value other than 0. */
  readonly names: readonly string[];
  /** Adds one sample; returns it as a row. Above the bound the oldest row is forgotten. */
  add(figures: Figures): readonly number[];
  /** Returns the rows, oldest first. A row may be shorter than `names`: what is missing is 0. */
  rows(): readonly (readonly number[])[];
}

/**
 * Returns an empty history of at most `rowsMax` rows.
 *
 * A figure gets a column once it is not 0: of the hundred that a gateway has, most always are. So a
 * row is some thirty numbers, and 15 minutes of them 250 KB.
 */
export function createHistory(rowsMax: number): History {
  const names: string[] = [];
  const columns = new Map<string, number>();
  const rows: (readonly number[])[] = [];
  let oldest = 0;
  return {
    names,
    add(figures) {
      for (const [name, value] of figures) {
        if (value !== 0 && !columns.has(name)) columns.set(name, names.push(name) - 1);
      }
      const row = names.map((name) => figures.get(name) ?? 0);
      rows[oldest] = row;
      oldest = (oldest + 1) % rowsMax;
      return row;
    },
    rows: () => [...rows.slice(oldest), ...rows.slice(0, oldest)],
  };
}
