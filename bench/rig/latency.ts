import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from "hdr-histogram-js";

/** A distribution of latencies in microseconds. */
export interface Latency {
  readonly unit: "us";
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p99_9: number;
  readonly max: number;
  /** HdrHistogram V2, compressed: distributions are merged from these, never from percentiles. */
  readonly hdr_base64: string;
}

/** A minute: nothing in a run may take longer. */
const HIGHEST_US = 60_000_000;

/** Returns an empty histogram of microseconds with three significant digits. */
export function createHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}

/** Records a latency; a negative one (clocks) counts as zero, one above a minute as a minute. */
export function recordLatency(histogram: Histogram, us: number): void {
  histogram.recordValue(Math.min(HIGHEST_US, Math.max(0, Math.round(us))));
}

/**
 * Returns what a results file says about a histogram; `max` is the highest sample where that is
 * known better than to three digits.
 */
export function describeLatency(histogram: Histogram, max = histogram.maxValue): Latency {
  // A percentile is the upper end of its bucket, which may lie above the highest sample in it.
  const at = (percentile: number) => Math.min(max, histogram.getValueAtPercentile(percentile));
  return {
    unit: "us",
    count: histogram.totalCount,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p99_9: at(99.9),
    max,
    hdr_base64: encodeIntoCompressedBase64(histogram),
  };
}

/** Returns the distribution of all the samples of several. */
export function mergeLatencies(latencies: readonly Latency[]): Latency {
  const all = createHistogram();
  for (const one of latencies) {
    if (one.count > 0) all.add(decodeFromCompressedBase64(one.hdr_base64, 32, false));
  }
  // The encoded histograms know their highest samples only by their buckets.
  return describeLatency(all, Math.max(0, ...latencies.map(({ max }) => max)));
}
