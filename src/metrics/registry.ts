import {
  type Aggregator,
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { addDefaults } from "./defaults.ts";
import { METRICS, type MetricName, type MetricRow } from "./table.ts";

/** Label values of one series. */
export type Labels = Readonly<Record<string, string>>;

/** Values of metrics at a scrape: one number, or one per set of labels. Counters are totals. */
export type Samples = Partial<Record<MetricName, number | readonly (readonly [Labels, number])[]>>;

/** Exposition text and its content type. */
export interface Scraped {
  readonly type: string;
  readonly body: string;
}

/** All metrics with their values, as workers send them to the primary. */
export type Counted = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The metrics of one process. */
export interface Metrics {
  /**
   * Calls `read` at every scrape and exports its numbers. Call the returned function to stop.
   * `scraped`: it is called by scrapes alone, because its numbers are those since the last call.
   */
  source(read: () => Samples, how?: "scraped"): () => void;
  /** Returns the numbers of all sources, but those that are for scrapes alone. */
  read(): Samples;
  /** Adds one observation to a histogram (about 0.3 µs). */
  observe(name: MetricName, value: number, labels?: Labels): void;
  /** Returns the exposition text, in OpenMetrics if `accept` asks for it, else in Prometheus'. */
  scrape(accept?: string): Promise<Scraped>;
  /** Returns all current values, for the primary to add up with those of other workers. */
  counted(): Promise<Counted>;
  /** Removes all sources and metrics. */
  stop(): void;
}

/**
 * Returns a registry with every row of the table, so that each is exported from the start. With
 * `isShared` other nodes and workers have the same values where the table says so.
 */
export function createMetrics(settings: {
  readonly defaults: boolean;
  readonly isShared?: boolean;
}): Metrics {
  const registry = new Registry();
  const plainType = registry.contentType;
  const built = new Map<string, Counter | Gauge | Histogram>();
  const sources = new Set<() => Samples>();
  const scraped = new Set<() => Samples>();
  const rows: [string, MetricRow][] = Object.entries(METRICS);
  for (const [name, row] of rows) {
    // prom-client collects metrics in order, so the first one sets the values of all.
    const isShared = settings.isShared === true && row.isShared === true;
    const aggregator = isShared ? "max" : (row.aggregate ?? "sum");
    const first = built.size === 0 && { collect };
    built.set(name, build(name, row, { registry, aggregator, ...first }));
  }
  const stopDefaults = settings.defaults ? addDefaults(registry) : () => {};

  function collect(): void {
    for (const read of sources) {
      for (const [name, value] of Object.entries(read())) {
        const metric = built.get(name);
        if (!metric || metric instanceof Histogram) continue;
        const series = typeof value === "number" ? ([[{}, value]] as const) : value;
        for (const [labels, number] of series) set(metric, labels, number);
      }
    }
  }

  // An OpenMetrics scrape strips `_total` from the counters' own names, so they are set back.
  const names = registry.getMetricsAsArray().map((metric) => [metric, metric.name] as const);

  // Scrapes run one at a time, because they change the registry's content type and names.
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
    source(read, how) {
      sources.add(read);
      if (how === "scraped") scraped.add(read);
      return () => {
        sources.delete(read);
        scraped.delete(read);
      };
    },
    read() {
      const all: Samples = {};
      for (const read of sources) if (!scraped.has(read)) Object.assign(all, read());
      return all;
    },
    observe(name, value, labels = {}) {
      const metric = built.get(name);
      if (metric instanceof Histogram) metric.observe(labels, value);
    },
    scrape(accept = "") {
      const open = isOpenMetrics(accept);
      return inTurn(async () => {
        // Both are types that the registry declares.
        registry.setContentType((open ? Registry.OPENMETRICS_CONTENT_TYPE : plainType) as never);
        return { type: registry.contentType, body: await registry.metrics() };
      });
    },
    counted: () => inTurn(() => registry.getMetricsAsJSON()),
    stop() {
      stopDefaults();
      sources.clear();
      scraped.clear();
      registry.clear();
    },
  };
}

/**
 * Returns a scrape whose result all callers share who ask before it has ended: a scrape blocks the
 * event loop for milliseconds, and its route may be open to strangers. It starts in the next turn
 * of the event loop, after everything else of this turn.
 */
export function shareScrapes(scrape: Scrape): Scrape {
  const shared = new Map<boolean, Promise<Scraped>>();
  return (accept) => {
    const open = isOpenMetrics(accept);
    const running = shared.get(open);
    if (running) return running;
    const next = new Promise((resolve) => setImmediate(resolve))
      .then(() => scrape(accept))
      .finally(() => shared.delete(open));
    shared.set(open, next);
    return next;
  };
}

/** Returns the exposition text in a format that an `Accept` header names. */
type Scrape = (accept: string) => Promise<Scraped>;

function isOpenMetrics(accept: string): boolean {
  return accept.includes("application/openmetrics-text");
}

function build(
  name: string,
  row: MetricRow,
  needs: {
    readonly registry: Registry;
    readonly aggregator: Aggregator;
    readonly collect?: () => void;
  },
): Counter | Gauge | Histogram {
  const shape = {
    name,
    help: row.help,
    labelNames: [...row.labels],
    registers: [needs.registry],
    aggregator: needs.aggregator,
    ...(needs.collect && { collect: needs.collect }),
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
  // A counter has no set(), and the samples are totals: start the series over and add the total.
  metric.remove(labels);
  metric.inc(labels, value);
}
