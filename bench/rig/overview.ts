import type { Estimate } from "./estimate.ts";
import type { Result } from "./results.ts";
import { alignRows, formatNumber, formatRatio } from "./table.ts";

/** The head of an overview: ours to each other subject, and ours itself. */
export const OVERVIEW_HEAD = [
  "Sluice ÷",
  "stock on uWebSockets.js",
  "stock on ws",
  "bare uWebSockets.js",
  "Sluice itself",
];
/** The subjects of its columns. */
const OTHERS = ["stock-uws", "stock-ws", "bare"];
/** An overview is not the place for every case; the results files have them. */
const CASES_MAX = 8;
/** The room of which an overview tells when there are several. */
const USUAL_MEMBERS = 1000;

type Params = Estimate["params"];
const count = (value: string | number | undefined) =>
  typeof value === "number" ? formatNumber(value) : String(value);

function describeCall(shape: string): string {
  const excepted = /^except-(\d+)$/.exec(shape)?.[1];
  if (excepted === undefined) return CALLS[shape] ?? shape;
  return `\`io.to(room).except(${excepted === "1" ? "other" : `${excepted} others`}).emit()\``;
}

const CALLS: Readonly<Record<string, string>> = {
  namespace: "`io.emit()`",
  room: "`io.to(room).emit()`",
  sender: "`socket.to(room).emit()`",
  union: "`io.to([a, b]).emit()`",
  "union-first": "the first `io.to([a, b]).emit()`",
};

/** Scenarios whose subjects are the columns, and a case of each in words. */
const ROWS: Readonly<Record<string, (params: Params) => string>> = {
  fanout: (p) => {
    const turn = p.frames === 1 ? "" : `, ${count(p.frames)} at a time`;
    return `CPU per message, ${describeCall(String(p.shape))} to ${count(p.members)}${turn}`;
  },
  bursts: (p) =>
    `CPU per message, ${count(p.frames)} \`io.to(room).emit()\` of one handler to ` +
    `${count(p.members)}; bare outside it`,
  latency: (p) => `p99 latency, ${count(p.rate)} broadcasts/s to ${count(p.members)}`,
  echo: (p) => `CPU per event with ack, ${p.load}`,
  connect: () => "CPU per connection accepted",
  idle: () => "Resident memory per idle connection",
  idling: (p) =>
    p.connections === 0
      ? "CPU without connections"
      : `CPU with ${count(p.connections)} idle connections${p.heartbeat_s === 25 ? "" : ", no heartbeats"}`,
  slow: (p) => `p99 latency at the others, ${count(p.stalled_percent)} % not reading`,
  storm: (p) => `Time until ${count(p.clients)} are back`,
  start: () => "Time from start to listening",
  upstream: () => "CPU per event that a function answers",
  batches: () => "CPU per event in batches to a function",
  api: (p) => `CPU per emit over HTTP, ${p.kind === "stream" ? "in a stream" : "one a request"}`,
};

function chooseCases(scenario: string, all: readonly Estimate[][]): readonly Estimate[][] {
  if (scenario === "latency") {
    // Where the load climbs, the last cases with everyone in them say most.
    return all.filter((estimates) => estimates.length === all[0]?.length).slice(-2);
  }
  const usual = all.filter((estimates) => estimates[0]?.params.members === USUAL_MEMBERS);
  return (scenario === "fanout" && usual.length > 0 ? usual : all).slice(0, CASES_MAX);
}

/** Whether a result can be told in an overview's columns. */
export function hasOverview({ scenario }: Result): boolean {
  return scenario.name in ROWS && scenario.baseline === "ours";
}

/** Returns rows of an overview: what, ratios to the others, ours. */
export function overviewOf(result: Result): string[][] {
  if (!hasOverview(result)) return [];
  const primary = result.scenario.metrics.find((metric) => metric.ratio);
  const cases = new Map<string, Estimate[]>();
  for (const estimate of result.estimates) {
    if (estimate.metric !== primary?.name) continue;
    const key = JSON.stringify(estimate.params);
    cases.set(key, [...(cases.get(key) ?? []), estimate]);
  }
  const chosen = chooseCases(result.scenario.name, [...cases.values()]);
  return chosen.flatMap((estimates) => {
    const [one] = estimates;
    if (one === undefined) return [];
    const cells = OTHERS.map((name) => {
      const estimate = estimates.find((e) => e.against === name);
      return estimate ? formatRatio(estimate) : "–";
    });
    const summary = result.summaries.find(
      (s) =>
        s.subject === "ours" &&
        s.valid !== false &&
        s.metric === one.metric &&
        JSON.stringify(s.params) === JSON.stringify(one.params),
    );
    const figure = summary ? `${formatNumber(summary.median)} ${primary?.unit ?? ""}`.trim() : "–";
    const words = ROWS[result.scenario.name]?.(one.params) ?? "";
    return [[words, ...cells, figure]];
  });
}

/** Returns the end of a run of several scenarios: the ratios of all at one sight. */
export function formatOverview(results: readonly Result[], elapsedMs: number): string {
  const rows = results.flatMap(overviewOf).map((row) => row.map((c) => c.replaceAll("`", "")));
  const words = results.map((r) => `${r.scenario.name}${r.valid ? "" : " (NOT VALID)"}`);
  const seconds = (elapsedMs / 1000).toFixed(0);
  return [
    "",
    ...(rows.length > 0 ? [alignRows([OVERVIEW_HEAD, ...rows]), ""] : []),
    "Below 1 Sluice needs less. In parentheses the 95 % interval; ? marks what carries no claim.",
    `${results.length} scenarios in ${seconds} s: ${words.join(", ")}`,
  ].join("\n");
}
