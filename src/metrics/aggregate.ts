import { AggregatorRegistry, Registry } from "prom-client";
import type { Counted, Scraped } from "./registry.ts";
import { METRICS, type MetricName } from "./table.ts";

/** The metrics of several workers as those of one process. */
export interface Aggregate {
  /** Takes the newest numbers of a worker, as `Metrics.counted` gave them there. */
  told(worker: number, counted: unknown): void;
  /** A worker has ended: its totals are kept as it last told them. */
  gone(worker: number): void;
  /**
   * Returns the exposition text. Of workers that are `silent` the gauges are left out; their totals
   * stand as they last told them, so that none ever falls.
   */
  text(silent: ReadonlySet<number>): Promise<Scraped>;
}

const MISSED = "sluice_cluster_scrapes_missed_total" satisfies MetricName;

/**
 * Returns an aggregate that knows no worker yet, and what the log of the primary itself has
 * dropped.
 */
export function createAggregate(linesDropped: () => number): Aggregate {
  const newest = new Map<number, Counted>();
  /** The totals of all workers that have ended, in one. */
  let ended: Counted = [];
  let missed = 0;

  return {
    told(worker, counted) {
      newest.set(worker, counted as Counted); // what another process of this program read there
    },
    gone(worker) {
      const totals = (newest.get(worker) ?? []).filter(isTotal);
      newest.delete(worker);
      const sum: unknown = AggregatorRegistry.aggregate([ended, totals]).getMetricsAsArray();
      ended = sum as Counted; // a registry that was added up holds them, each with a `get` beside
    },
    async text(silent) {
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

/** One of the primary's own totals. */
function count(name: MetricName, value: number) {
  const about = { name, help: METRICS[name].help, type: "counter", aggregator: "sum" };
  return { ...about, values: [{ value, labels: {} }] };
}

/**
 * Whether a metric only grows; prom-client's types call its kinds numbers, and it calls them words.
 */
function isTotal({ type }: Counted[number]): boolean {
  return ["counter", "histogram"].includes(String(type));
}
