/** One series of the metrics: its labels and its value. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads Prometheus text. */
export function readMetrics(text: string): readonly Series[] {
  return text.split("\n").flatMap((line) => {
    const [, name = "", given = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === "") return [];
    const labels = [...given.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, label = "", text = ""]) => [label, text.replace(/\\(.)/g, "$1")] as const,
    );
    return [{ name, labels: Object.fromEntries(labels), value: Number(value) }];
  });
}

/** Adds up what series of a name count, where their labels are as wanted. */
export function sum(
  series: readonly Series[],
  name: string,
  wanted: Readonly<Record<string, string>> = {},
): number {
  return series
    .filter((one) => one.name === name && isWanted(one, wanted))
    .reduce((total, one) => total + one.value, 0);
}

/** The bound below which a share of a histogram lies, in seconds; `undefined` if it is empty. */
export function quantile(
  series: readonly Series[],
  { name, wanted, share }: { name: string; wanted: Record<string, string>; share: number },
): number | undefined {
  const buckets = new Map<number, number>();
  for (const one of series) {
    if (one.name !== `${name}_bucket` || !isWanted(one, wanted)) continue;
    const bound = one.labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(one.labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + one.value);
  }
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total === 0) return undefined;
  return sorted.find(([, count]) => count >= total * share)?.[0];
}

function isWanted({ labels }: Series, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([label, value]) => labels[label] === value);
}

/** Seconds as a bound: `≤ 25 ms`. */
export function bound(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (!Number.isFinite(seconds)) return "above all bounds";
  return seconds < 1 ? `≤ ${Math.round(seconds * 10_000) / 10} ms` : `≤ ${seconds} s`;
}
