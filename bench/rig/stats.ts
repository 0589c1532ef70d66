/** A source of numbers in [0, 1) that repeats for the same seed. */
export type Random = () => number;

/** Returns mulberry32: 32 bits of state, good enough to shuffle and resample, and repeatable. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the items in random order. */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** The middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear interpolation between order statistics (Hyndman and Fan's type 7); NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) return Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** An interval around an estimate. */
export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/** How to resample. */
export interface BootstrapOptions {
  readonly level: number;
  readonly resamples: number;
  readonly random: Random;
}

/**
 * Returns the bias-corrected and accelerated bootstrap interval of a statistic (Efron, "Better
 * Bootstrap Confidence Intervals", 1987). With fewer than two values it is [NaN, NaN].
 */
export function bootstrapBca(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
  options: BootstrapOptions,
): Interval {
  const n = values.length;
  const estimate = statistic(values);
  if (n < 2) return { estimate, low: Number.NaN, high: Number.NaN };
  const draws = Array.from({ length: options.resamples }, () =>
    statistic(values.map(() => values[Math.floor(options.random() * n)] ?? 0)),
  ).sort((a, b) => a - b);
  // Ties count half: a median of few pairs hits its own value often.
  const below = draws.filter((d) => d < estimate).length;
  const equal = draws.filter((d) => d === estimate).length;
  const share = (below + equal / 2) / draws.length;
  const bias = normalQuantile(Math.min(1 - 1e-6, Math.max(1e-6, share)));
  const acceleration = accelerationOf(values, statistic);
  const alpha = (1 - options.level) / 2;
  const at = (p: number) => {
    const z = bias + normalQuantile(p);
    return quantile(draws, normalCdf(bias + z / (1 - acceleration * z)));
  };
  return { estimate, low: at(alpha), high: at(1 - alpha) };
}

/** Skewness of the jackknife, over six: how the statistic's spread changes with its value. */
function accelerationOf(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
): number {
  const left = values.map((_, out) => statistic(values.filter((__, i) => i !== out)));
  const mean = left.reduce((sum, v) => sum + v, 0) / left.length;
  const cubes = left.reduce((sum, v) => sum + (mean - v) ** 3, 0);
  const squares = left.reduce((sum, v) => sum + (mean - v) ** 2, 0);
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/**
 * Distribution function of the standard normal (Abramowitz and Stegun 7.1.26 for erf, |ε| < 2e-7).
 */
export function normalCdf(x: number): number {
  const t = 1 / (1 + 0.3275911 * (Math.abs(x) / Math.SQRT2));
  const poly = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce(
    (sum, c) => (sum + c) * t,
    0,
  );
  const erf = 1 - poly * Math.exp(-(x * x) / 2);
  return x >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}

/** Inverse of {@link normalCdf} by bisection; slow and exact enough for a handful of calls. */
export function normalQuantile(p: number): number {
  let low = -8;
  let high = 8;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** A straight line through points. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Half-width of the 95 % interval of the slope. */
  readonly slopeError: number;
  readonly r2: number;
}

/** Returns the least-squares line; needs three points or more for an error. */
export function fitLine(points: readonly { x: number; y: number }[]): Line {
  const n = points.length;
  const mx = points.reduce((sum, p) => sum + p.x, 0) / n;
  const my = points.reduce((sum, p) => sum + p.y, 0) / n;
  const sxx = points.reduce((sum, p) => sum + (p.x - mx) ** 2, 0);
  const sxy = points.reduce((sum, p) => sum + (p.x - mx) * (p.y - my), 0);
  const syy = points.reduce((sum, p) => sum + (p.y - my) ** 2, 0);
  const slope = sxy / sxx;
  const rest = Math.max(0, syy - slope * sxy);
  const error = n > 2 ? Math.sqrt(rest / (n - 2) / sxx) : Number.NaN;
  return {
    slope,
    intercept: my - slope * mx,
    slopeError: studentT95(n - 2) * error,
    r2: syy === 0 ? 1 : 1 - rest / syy,
  };
}

/** Student's t for 95 %, two-sided; beyond the table the normal value is near enough. */
function studentT95(degrees: number): number {
  const table = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
  return degrees < 1 ? Number.NaN : (table[degrees - 1] ?? (degrees <= 30 ? 2.1 : 1.96));
}
