/** What to do when an alert fires. */
export interface Runbook {
  /** What users of the application notice. */
  readonly users: string;
  /** The three queries to look at first: what each shows, and its PromQL. */
  readonly queries: readonly [Query, Query, Query];
  /** Lines for a shell; the page says what their variables are. */
  readonly commands: readonly string[];
  /** The most likely first. */
  readonly causes: readonly string[];
  /** How to make it better now, the first thing first. */
  readonly mitigate: readonly string[];
  /** How to know that it is over. */
  readonly over: string;
}

/** A question to Prometheus. */
export interface Query {
  readonly shows: string;
  readonly promql: string;
}

/** The runbooks of one file of `rules/`, by the name of the alert. */
export type Runbooks = Readonly<Record<string, Runbook>>;

export const ask = (shows: string, promql: string): Query => ({ shows, promql });

/** Shows the warnings and errors of one part in the log. */
export const readLog = (component: string) =>
  `$LOG | jq -c 'select(.component == "${component}" and .level >= 40)'`;

/** Shows the metrics of one gateway whose names begin so. */
export const readMetrics = (prefix: string) => `curl -s $API/metrics | grep '^${prefix}'`;

export const READY = "curl -si $API/readyz";

export const DOCTOR = "npx sluice doctor";

export const CLOSES_BY_REASON = ask(
  "closes by reason",
  'sum by (reason) (rate(sluice_connections_closed_total{job="sluice"}[5m]))',
);

export const CONNECTIONS = ask(
  "connections by instance",
  'sum by (instance) (sluice_connections{job="sluice"})',
);

export const LOOP_LAG = ask(
  "how late the event loop is",
  'sluice_event_loop_lag_seconds{job="sluice", stat="p99"}',
);
