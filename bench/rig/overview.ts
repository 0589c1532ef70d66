import type { Estimate } from "./estimate.ts";
import type { Result } from "./results.ts";
import { alignRows, formatNumber, formatRatio } from "./table.ts";

/** The subjects that an overview compares ours with, and their columns. */
const OTHERS: Readonly<Record<string, string>> = {
  "stock-uws": "stock on uWebSockets.js",
  "stock-ws": "stock on ws",
  socketioxide: "socketioxide",
  centrifugo: "Centrifugo",
  bare: "bare uWebSockets.js",
};
/** What ours is more than, so that losing to it is no news and a tie with it no row. */
const FLOOR = "bare";
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

/** One case of a result: what, ours, and the ratios to the others. */
export interface OverviewRow {
  readonly scenario: string;
  readonly params: Params;
  readonly words: string;
  /** Ours, with its unit. */
  readonly figure: string;
  /** By subject. */
  readonly ratios: ReadonlyMap<string, Estimate>;
}

/** Returns the cases of a result that an overview has room for. */
export function overviewOf(result: Result): OverviewRow[] {
  if (!hasOverview(result)) return [];
  const scenario = result.scenario.name;
  const primary = result.scenario.metrics.find((metric) => metric.ratio);
  const cases = new Map<string, Estimate[]>();
  for (const estimate of result.estimates) {
    if (estimate.metric !== primary?.name) continue;
    const key = JSON.stringify(estimate.params);
    cases.set(key, [...(cases.get(key) ?? []), estimate]);
  }
  const all = [...cases.values()];
  const severalCodecs = new Set(all.map(([one]) => one?.params.codec)).size > 1;
  return chooseCases(scenario, all).flatMap((estimates) => {
    const [one] = estimates;
    if (one === undefined) return [];
    const { params } = one;
    const summary = result.summaries.find(
      (s) =>
        s.subject === "ours" &&
        s.valid !== false &&
        s.metric === one.metric &&
        JSON.stringify(s.params) === JSON.stringify(params),
    );
    const figure = summary ? `${formatNumber(summary.median)} ${primary?.unit ?? ""}`.trim() : "–";
    const codec = severalCodecs ? `, ${params.codec}` : "";
    const words = `${ROWS[scenario]?.(params) ?? ""}${codec}`;
    const ratios = new Map(estimates.map((estimate) => [estimate.against, estimate]));
    return [{ scenario, params, words, figure, ratios }];
  });
}

/** Whether a ratio to anyone who does as much as ours carries a claim. */
export function saysSomething({ ratios }: OverviewRow): boolean {
  return [...ratios].some(([name, { verdict }]) => name !== FLOOR && verdict !== "unclear");
}

/** Returns rows as cells with their head; a subject that none of them knows has no column. */
export function tabulate(
  rows: readonly OverviewRow[],
  formatCell: (estimate: Estimate) => string = formatRatio,
): string[][] {
  const others = Object.entries(OTHERS).filter(([name]) =>
    rows.some(({ ratios }) => ratios.has(name)),
  );
  const head = ["What", "Sluice", ...others.map(([, words]) => `Sluice ÷ ${words}`)];
  const cells = rows.map(({ words, figure, ratios }) => [
    words,
    figure,
    ...others.map(([name]) => {
      const estimate = ratios.get(name);
      return estimate ? formatCell(estimate) : "–";
    }),
  ]);
  return [head, ...cells];
}

/** Returns the end of a run of several scenarios: the ratios of all at one sight. */
export function formatOverview(results: readonly Result[], elapsedMs: number): string {
  const rows = results.flatMap(overviewOf);
  const cells = tabulate(rows).map((row) => row.map((cell) => cell.replaceAll("`", "")));
  const words = results.map((r) => `${r.scenario.name}${r.valid ? "" : " (NOT VALID)"}`);
  const seconds = (elapsedMs / 1000).toFixed(0);
  return [
    "",
    ...(rows.length > 0 ? [alignRows(cells), ""] : []),
    "Below 1 Sluice needs less. The 95 % interval is in parentheses; ? marks a ratio that is not significant.",
    `${results.length} scenarios in ${seconds} s: ${words.join(", ")}`,
  ].join("\n");
}
