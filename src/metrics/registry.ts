import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { METRICS, type MetricName, type MetricRow } from "./table.ts";

/** Label values of one series. */
export type Labels = Readonly<Record<string, string>>;

/**
 * What a room publishes at scrape time: a number, or one per set of labels. Counters give totals.
 */
export type Samples = Partial<Record<MetricName, number | readonly (readonly [Labels, number])[]>>;

/** Exposition text. */
export interface Scraped {
  readonly type: string;
  readonly body: string;
}

/** The samples of all rooms, as another process adds them up. */
export type Counted = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The samples of all rooms, as Prometheus text. */
export interface Metrics {
  /** Publishes `read()`'s plain numbers at every scrape, until the returned function is called. */
  source(read: () => Samples): () => void;
  /** Adds to a counter; for paths that are not hot (60–100 ns a call). */
  count(name: MetricName, labels?: Labels, by?: number): void;
  /** Adds one observation to a histogram (about 0.3 µs). */
  observe(name: MetricName, value: number, labels?: Labels): void;
  /** Returns the exposition text; OpenMetrics if `accept` asks for it, else Prometheus' own. */
  scrape(accept?: string): Promise<Scraped>;
  /** Returns the samples of now, for the primary of several workers to add up. */
  counted(): Promise<Counted>;
  /** Removes everything. */
  stop(): void;
}

/** Returns a registry that holds every row of the table from the start. */
export function createMetrics(settings: { readonly defaults: boolean }): Metrics {
  const registry = new Registry();
  const plainType = registry.contentType;
  const built = new Map<string, Counter | Gauge | Histogram>();
  const sources = new Set<() => Samples>();
  const rows: [string, MetricRow][] = Object.entries(METRICS);
  for (const [name, row] of rows) {
    // The first metric that is collected fetches the samples of all.
    built.set(name, build(name, row, { registry, ...(built.size === 0 && { collect: publish }) }));
  }
  if (settings.defaults) {
    collectDefaultMetrics({ register: registry });
    // Gauges that call themselves totals: promtool refuses them, and the counts by type remain.
    for (const what of ["handles", "requests", "resources"]) {
      registry.removeSingleMetric(`nodejs_active_${what}_total`);
    }
  }

  function publish(): void {
    for (const read of sources) {
      for (const [name, value] of Object.entries(read())) {
        const metric = built.get(name);
        if (!metric || metric instanceof Histogram) continue;
        const series = typeof value === "number" ? ([[{}, value]] as const) : value;
        for (const [labels, number] of series) set(metric, labels, number);
      }
    }
  }

  // An OpenMetrics answer takes `_total` off the names the counters themselves have, for good.
  const names = registry.getMetricsAsArray().map((metric) => [metric, metric.name] as const);

  // The content type and the names belong to the registry, so one scrape at a time.
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn<T>(read: () => Promise<T>): Promise<T> {
    const next = turn.then(() => {
      for (const [metric, name] of names) metric.name = name;
      return read();
    });
    turn = next.catch(() => {});
    return next;
  }
  return {
    source(read) {
      sources.add(read);
      return () => sources.delete(read);
    },
    count(name, labels = {}, by = 1) {
      const metric = built.get(name);
      if (metric instanceof Counter) metric.inc(labels, by);
    },
    observe(name, value, labels = {}) {
      const metric = built.get(name);
      if (metric instanceof Histogram) metric.observe(labels, value);
    },
    scrape(accept = "") {
      const open = isOpenMetrics(accept);
      return inTurn(async () => {
        // The two types the registry itself declares.
        registry.setContentType((open ? Registry.OPENMETRICS_CONTENT_TYPE : plainType) as never);
        return { type: registry.contentType, body: await registry.metrics() };
      });
    },
    counted: () => inTurn(() => registry.getMetricsAsJSON()),
    stop() {
      sources.clear();
      registry.clear();
    },
  };
}

/** Whether an `Accept` header asks for OpenMetrics. */
export function isOpenMetrics(accept: string): boolean {
  return accept.includes("application/openmetrics-text");
}

interface Building {
  readonly registry: Registry;
  readonly collect?: () => void;
}

function build(
  name: string,
  row: MetricRow,
  { registry, collect }: Building,
): Counter | Gauge | Histogram {
  const shape = {
    name,
    help: row.help,
    labelNames: [...row.labels],
    registers: [registry],
    aggregator: row.aggregate ?? ("sum" as const),
    ...(collect && { collect }),
  };
  if (row.kind === "counter") return new Counter(shape);
  if (row.kind === "gauge") return new Gauge(shape);
  return new Histogram({ ...shape, ...(row.buckets && { buckets: [...row.buckets] }) });
}

function set(metric: Counter | Gauge, labels: Labels, value: number): void {
  if (metric instanceof Gauge) {
    metric.set(labels, value);
    return;
  }
  // A counter knows only inc(); the rooms keep totals, so the series starts over from nothing.
  metric.remove(labels);
  metric.inc(labels, value);
}
