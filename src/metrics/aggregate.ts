import { AggregatorRegistry, Registry } from "prom-client";
import type { Counted, Scraped } from "./registry.ts";
import { METRICS, type MetricName } from "./table.ts";

const CONNECTIONS = "sluice_connections" satisfies MetricName;
const MISSED = "sluice_cluster_scrapes_missed_total" satisfies MetricName;

/**
 * Totals are rounded down to parts of one, about 1 ns of those in seconds. Sums of them are exact,
 * so they do not depend on the order, in which a worker that ends changes its place. Else a total
 * can fall by its last bit, which Prometheus takes for a counter that began anew.
 */
const PARTS = 2 ** 30;

/**
 * Returns what adds up the metrics of several workers, as if they were one process. It has no
 * worker yet. `linesDropped` counts the lines that the primary's own log has dropped.
 */
export function createAggregate(linesDropped: () => number) {
  const newest = new Map<number, Counted>();
  /** Sums of the totals of all workers that have ended. */
  let ended: Counted = [];
  let missed = 0;

  return {
    /** Stores the newest result of `Metrics.counted` of a worker. */
    update(worker: number, counted: unknown): void {
      // The cast holds: another process of this program has sent it.
      newest.set(worker, (counted as Counted).map(round));
    },
    /** Removes a worker that has ended. Its last known totals stay in the sums. */
    remove(worker: number): void {
      const totals = (newest.get(worker) ?? []).filter(isTotal);
      newest.delete(worker);
      const sum: unknown = AggregatorRegistry.aggregate([ended, totals]).getMetricsAsArray();
      ended = sum as Counted; // its metrics have this shape and a `get` function
    },
    /** Returns the open connections of all workers, by their newest results. */
    connections(): number {
      const all = [...newest.values()].flatMap((counted) =>
        counted.filter(({ name }) => name === CONNECTIONS).flatMap(({ values }) => values),
      );
      return all.reduce((sum, { value }) => sum + Number(value), 0);
    },
    /**
     * Returns the exposition text. Workers in `silent` did not answer: their gauges are left out,
     * and their last known totals are used, so that no total ever falls.
     */
    async text(silent: ReadonlySet<number>): Promise<Scraped> {
      missed += silent.size;
      const living = [...newest].map(([worker, counted]) =>
        silent.has(worker) ? counted.filter(isTotal) : counted,
      );
      const counts = [
        count(MISSED, missed),
        count("sluice_log_lines_dropped_total", linesDropped()),
      ];
      const body = await AggregatorRegistry.aggregate([...living, ended, counts]).metrics();
      return { type: Registry.PROMETHEUS_CONTENT_TYPE, body };
    },
  };
}

/** Returns a counter of the primary's own. */
function count(name: MetricName, value: number) {
  const about = { name, help: METRICS[name].help, type: "counter", aggregator: "sum" };
  return { ...about, values: [{ value, labels: {} }] };
}

function round(metric: Counted[number]): Counted[number] {
  if (!isTotal(metric)) return metric;
  const values = metric.values.map((one) => {
    return { ...one, value: Math.floor(one.value * PARTS) / PARTS };
  });
  return { ...metric, values };
}

/** Whether a metric only grows. prom-client types `type` as a number, but sets strings. */
function isTotal({ type }: Counted[number]): boolean {
  return ["counter", "histogram"].includes(String(type));
}
