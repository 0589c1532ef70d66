import { type Flag, isExcused, makeFlag } from "./flags.ts";
import type { Metric, Round, Scenario } from "./scenario.ts";
import { bootstrapBca, createRandom, type Interval, median, quantile } from "./stats.ts";

/** The middle of a subject's valid rounds; of what the machine voided where there are none. */
export interface Summary {
  readonly params: Round["params"];
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
  /** Whether the rounds are valid; absent in results that only knew valid ones. */
  readonly valid?: boolean;
}

/** How many times the other subject's cost the baseline's is, over pairs of neighbouring rounds. */
export interface Estimate {
  readonly params: Round["params"];
  readonly metric: string;
  readonly subject: string;
  readonly against: string;
  readonly ratio_median: number;
  readonly ci95_low: number;
  readonly ci95_high: number;
  readonly method: "BCa";
  readonly resamples: number;
  readonly n_pairs: number;
  /** `unclear` while the interval touches 1 ± 2 %, or with fewer than ten pairs. */
  readonly verdict: "better" | "worse" | "same" | "unclear";
}

/** Differences this small are no difference to anyone. */
const BAND = 0.02;
const RESAMPLES = 10_000;
/** Fewer pairs carry no claim. */
export const PAIRS_MIN = 10;

/** A round as results keep it: judged. */
export type JudgedRound = Round & { readonly valid: boolean };

/** Returns the median and range of each metric over the rounds of each subject and case. */
export function summarise(rounds: readonly JudgedRound[], metrics: readonly Metric[]): Summary[] {
  return casesOf(rounds).flatMap((own) =>
    [...new Set(own.map((round) => round.subject))].flatMap((subject) =>
      metrics.flatMap((metric) => summariseOne(own, subject, metric) ?? []),
    ),
  );
}

function summariseOne(
  own: readonly JudgedRound[],
  subject: string,
  { name: metric, unit }: Metric,
): Summary | undefined {
  const told = own.filter((r) => r.subject === subject && r.values[metric] !== undefined);
  const valid = told.filter((round) => round.valid);
  const used = valid.length > 0 ? valid : told.filter((round) => isExcused(round.flags ?? []));
  const values = used.flatMap((round) => round.values[metric] ?? []);
  const [first] = used;
  if (first === undefined) return undefined;
  return {
    ...{ params: first.params, subject, metric, unit },
    ...{ median: median(values), low: quantile(values, 0), high: quantile(values, 1) },
    ...{ rounds: values.length, valid: valid.length > 0 },
  };
}

/** Returns the paired ratios of the baseline to every other subject, per case and metric. */
export function estimateRatios(
  rounds: readonly JudgedRound[],
  metrics: readonly Metric[],
  options: Pick<Scenario, "baselines"> & { baseline: string; seed: number },
): Estimate[] {
  const random = createRandom(options.seed);
  return casesOf(rounds).flatMap((own) => {
    const baseline = options.baselines?.[`${own[0]?.params.row}`] ?? options.baseline;
    return metrics
      .filter((metric) => metric.ratio)
      .flatMap((metric) =>
        [...new Set(own.map((round) => round.subject))]
          .filter((subject) => subject !== baseline)
          .flatMap((against) => {
            const ratios = pairRatios(own, metric.name, baseline, against);
            const [first] = own;
            if (ratios.length === 0 || first === undefined) return [];
            const interval = bootstrapBca(ratios, median, {
              level: 0.95,
              resamples: RESAMPLES,
              random,
            });
            return {
              params: first.params,
              metric: metric.name,
              subject: baseline,
              against,
              ratio_median: interval.estimate,
              ci95_low: interval.low,
              ci95_high: interval.high,
              method: "BCa" as const,
              resamples: RESAMPLES,
              n_pairs: ratios.length,
              verdict: judge(interval, metric.better, ratios.length),
            };
          }),
      );
  });
}

/** Fewer rounds have no first and second half. */
const HALVES_MIN = 4;
/** A cost that falls by less from the first half of the rounds to the second has settled. */
const FALL_MAX = 1.1;

/** Flags subjects whose primary metric still fell during the rounds: the compiler was not done. */
export function judgeWarmth(rounds: readonly JudgedRound[], metrics: readonly Metric[]): Flag[] {
  const primary = metrics.find((metric) => metric.ratio && metric.better === "lower");
  if (primary === undefined) return [];
  const falls = casesOf(rounds).flatMap((own) =>
    [...new Set(own.map((round) => round.subject))].flatMap((subject) => {
      const values = own
        .filter((round) => round.subject === subject && round.valid)
        .flatMap((round) => round.values[primary.name] ?? []);
      if (values.length < HALVES_MIN) return [];
      const half = values.length >> 1;
      const [early, late] = [median(values.slice(0, half)), median(values.slice(half))];
      const figures = `${subject}: ${early.toPrecision(3)} to ${late.toPrecision(3)}`;
      return early > late * FALL_MAX ? [`${figures} ${primary.unit}`] : [];
    }),
  );
  return falls.length > 0 ? [makeFlag("warning", "not_warm", falls.slice(0, 4).join("; "))] : [];
}

function pairRatios(
  own: readonly JudgedRound[],
  metric: string,
  subject: string,
  against: string,
): number[] {
  const read = (name: string, pair: number) =>
    own.find((r) => r.subject === name && r.pair === pair && r.valid)?.values[metric];
  return [...new Set(own.map((round) => round.pair))].flatMap((pair) => {
    const ours = read(subject, pair);
    const theirs = read(against, pair);
    return ours === undefined || theirs === undefined || theirs === 0 ? [] : [ours / theirs];
  });
}

function judge(interval: Interval, better: Metric["better"], pairs: number): Estimate["verdict"] {
  if (pairs < PAIRS_MIN) return "unclear";
  if (interval.low >= 1 - BAND && interval.high <= 1 + BAND) return "same";
  if (interval.high < 1 - BAND) return better === "lower" ? "better" : "worse";
  if (interval.low > 1 + BAND) return better === "lower" ? "worse" : "better";
  return "unclear";
}

/** Rounds grouped by equal params, in order of appearance. */
function casesOf(rounds: readonly JudgedRound[]): JudgedRound[][] {
  const cases = new Map<string, JudgedRound[]>();
  for (const round of rounds) {
    const key = JSON.stringify(Object.entries(round.params).sort());
    cases.set(key, [...(cases.get(key) ?? []), round]);
  }
  return [...cases.values()];
}
