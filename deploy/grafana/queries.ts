/** Selects the chosen job and instances; `more` adds conditions. */
export const of = (metric: string, more = "") => {
  const conditions = [`job="$job"`, `instance=~"$instance"`, ...(more === "" ? [] : [more])];
  return `${metric}{${conditions.join(", ")}}`;
};
/** Growth of a counter per second. */
export const rate = (metric: string) => `rate(${of(metric)}[$__rate_interval])`;
/** The same, added up over instances, split by the labels in `by`. */
export const sumRate = (metric: string, by = "") =>
  by === "" ? `sum(${rate(metric)})` : `sum by (${by}) (${rate(metric)})`;
/** The chosen quantile of a histogram, split by the labels in `by`. */
export const quantile = (metric: string, by = "") =>
  `histogram_quantile($quantile, ${sumRate(`${metric}_bucket`, by === "" ? "le" : `${by}, le`)})`;
