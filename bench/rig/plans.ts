import { planScale } from "./plan-scale.ts";
import type { Result } from "./results.ts";
import { formatNumber, labelOf, orderSubjects } from "./table.ts";

/** A picture before it is drawn: the part of a Vega-Lite specification that is its own. */
export interface Plan {
  readonly name: string;
  readonly title: string;
  readonly spec: Record<string, unknown>;
}

type Params = Result["rounds"][number]["params"];

/** Ours stands out, the controls stay quiet; anything else takes what is left. */
const COLOURS: Readonly<Record<string, string>> = {
  ours: "#0b7285",
  bare: "#868e96",
  "stock-uws": "#e8590c",
  "stock-ws": "#9c36b5",
  socketioxide: "#2f9e44",
  centrifugo: "#1971c2",
};
const MORE_COLOURS = ["#f08c00", "#c2255c", "#495057", "#66a80f", "#5f3dc4"];

function colourOf(subjects: Iterable<string>) {
  const domain = orderSubjects(subjects, "ours");
  const more = [...MORE_COLOURS];
  const range = domain.map((name) => COLOURS[name] ?? more.shift() ?? "#000000");
  return { field: "subject", type: "nominal", title: null, scale: { domain, range } };
}

/** Params in words, those that are the same everywhere left out. */
function describeVaried(all: readonly Params[]): (params: Params) => string {
  const varied = new Set<string>();
  for (const params of all)
    for (const [key, value] of Object.entries(params))
      if (all.some((other) => other[key] !== value)) varied.add(key);
  return (params) =>
    Object.entries(params)
      .filter(([key]) => varied.has(key))
      .map(([key, v]) => `${key} ${typeof v === "number" ? formatNumber(v) : v}`)
      .join(", ");
}

/** Latency against offered load: the hockey stick, with the overloaded rates crossed out. */
function planLoad(result: Result): Plan | undefined {
  const values = result.rounds.flatMap((round) => {
    const { rate } = round.params;
    if (typeof rate !== "number" || result.scenario.name !== "latency" || !round.latency) return [];
    const over = round.flags?.some((flag) => flag.code === "overload")
      ? "past the knee"
      : "kept up";
    const { p50, p99, p99_9 } = round.latency;
    return Object.entries({ p50, p99, "p99.9": p99_9 }).map(([percentile, us]) => ({
      subject: round.subject,
      rate,
      percentile,
      over,
      room: round.params.members === undefined ? "" : `${round.params.members} members`,
      ms: Math.max(us, 1) / 1000,
    }));
  });
  if (values.length === 0) return undefined;
  const x = log("rate", "broadcasts per second offered");
  const y = { ...log("ms", "latency, ms", "~g"), aggregate: "median" };
  const color = colourOf(values.map((v) => v.subject));
  const column = { field: "percentile", type: "nominal", title: null };
  const row = { field: "room", type: "nominal", title: null };
  return {
    name: "load",
    title: "Latency against offered load",
    spec: {
      data: { values },
      facet: { column, row },
      spec: {
        width: 240,
        height: 260,
        layer: [
          { mark: { type: "line", clip: true }, encoding: { x, y, color } },
          {
            mark: { type: "point", size: 50, filled: false },
            encoding: {
              x,
              y,
              color,
              shape: {
                field: "over",
                title: null,
                scale: { domain: ["kept up", "past the knee"], range: ["circle", "cross"] },
              },
            },
          },
        ],
      },
    },
  };
}

/** CPU per delivery by room size. */
function planMembers(result: Result): Plan | undefined {
  const rows = result.summaries.filter(
    (s) => s.metric === "cpu_us_per_delivery" && typeof s.params.members === "number",
  );
  const sizes = new Set(rows.map((row) => row.params.members));
  if (sizes.size < 2) return undefined;
  const describe = describeVaried(rows.map(({ params }) => ({ ...params, members: 0 })));
  const values = rows.map((row) => ({
    subject: row.subject,
    members: row.params.members,
    us: row.median,
    low: row.low,
    high: row.high,
    load: describe({ ...row.params, members: 0 }),
  }));
  const x = log("members", "members of the room");
  const color = colourOf(values.map((v) => v.subject));
  return {
    name: "members",
    title: "Server CPU per delivered message by room size",
    spec: {
      data: { values },
      facet: { field: "load", type: "nominal", title: null },
      columns: 3,
      spec: {
        width: 240,
        height: 240,
        layer: [
          {
            mark: { type: "line", point: true },
            encoding: { x, y: log("us", "CPU per delivery, µs", "~g"), color },
          },
          {
            mark: { type: "rule" },
            encoding: {
              x,
              y: log("low", "CPU per delivery, µs", "~g"),
              y2: { field: "high" },
              color,
            },
          },
        ],
      },
    },
  };
}

/** Resident memory by connections, with the fitted lines. */
function planMemory(result: Result): Plan | undefined {
  const values = result.rounds.flatMap(({ subject, params, values: v }) =>
    v.rss_bytes === undefined || typeof params.connections !== "number" || params.clients
      ? []
      : { subject, connections: params.connections, mib: v.rss_bytes / 2 ** 20 },
  );
  if (new Set(values.map((v) => v.connections)).size < 3) return undefined;
  const x = { field: "connections", type: "quantitative", title: "idle connections" };
  const y = {
    field: "mib",
    type: "quantitative",
    title: "resident memory, MiB",
    scale: { zero: false },
  };
  const color = colourOf(values.map((v) => v.subject));
  return {
    name: "memory",
    title: "Resident memory by idle connections",
    spec: {
      data: { values },
      width: 480,
      height: 300,
      layer: [
        { mark: { type: "point", filled: true }, encoding: { x, y, color } },
        {
          transform: [{ regression: "mib", on: "connections", groupby: ["subject"] }],
          mark: "line",
          encoding: { x, y, color },
        },
      ],
    },
  };
}

/** What nodes deliver together, if each had a core: the line is one node times their number. */
function planNodes(result: Result): Plan | undefined {
  const rows = result.summaries.filter(
    ({ metric, params }) => metric === "deliveries_per_cpu_s" && params.row === "nodes",
  );
  const values = rows.map(({ subject, median, low, high }) => {
    const nodes = Number.parseInt(subject, 10);
    return { nodes, rate: median * nodes, low: low * nodes, high: high * nodes };
  });
  const one = values.find(({ nodes }) => nodes === 1);
  const last = Math.max(...values.map(({ nodes }) => nodes));
  if (one === undefined || last === 1) return undefined;
  const ideal = [1, last].map((nodes) => ({ nodes, rate: one.rate * nodes }));
  const x = {
    field: "nodes",
    type: "quantitative",
    title: "nodes behind one Redis",
    axis: { tickMinStep: 1 },
  };
  const y = { type: "quantitative", title: "deliveries a second, a core for each node" };
  const color = { value: COLOURS.ours };
  return {
    name: "nodes",
    title: "What nodes deliver together, in rooms of their own",
    spec: {
      data: { values },
      width: 480,
      height: 300,
      layer: [
        {
          data: { values: ideal },
          mark: { type: "line", strokeDash: [4, 3], color: "#868e96" },
          encoding: { x, y: { ...y, field: "rate" } },
        },
        { mark: { type: "line", point: true }, encoding: { x, y: { ...y, field: "rate" }, color } },
        {
          mark: { type: "rule", size: 2 },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
        },
      ],
    },
  };
}

/** The primary metric of scenarios that have no picture of their own. */
function planBars(result: Result): Plan | undefined {
  if (result.scenario.name === "idle" || planLoad(result) || planMembers(result)) return undefined;
  const metric = result.scenario.metrics.find((m) =>
    result.summaries.some((s) => s.metric === m.name),
  );
  const rows = result.summaries.filter((s) => s.metric === metric?.name);
  if (metric === undefined || rows.length === 0) return undefined;
  const describe = describeVaried(rows.map((row) => row.params));
  const subjects = orderSubjects(
    rows.map((row) => row.subject),
    result.scenario.baseline,
  );
  const color = { ...colourOf(subjects), legend: null };
  const y = { field: "subject", type: "nominal", title: null, sort: subjects };
  const x = { field: "median", type: "quantitative", title: labelOf(metric) };
  const range = { x: { field: "low", type: "quantitative" }, x2: { field: "high" } };
  const concat = [...new Set(rows.map((row) => describe(row.params)))].map((load) => ({
    title: load,
    width: 320,
    data: {
      values: rows
        .filter((row) => describe(row.params) === load)
        .map(({ subject, median, low, high }) => ({ subject, median, low, high })),
    },
    layer: [
      { mark: "bar", encoding: { x, y, color } },
      { mark: { type: "rule", color: "#212529" }, encoding: { y, ...range } },
    ],
  }));
  const text = `${metric.text.replace(/\.$/, "")} (${metric.better} is better)`;
  return { name: "cost", title: text, spec: { concat, columns: 2 } };
}

/** With more ratios than this only those of the primary metric are drawn. */
const ROWS_MAX = 36;

/** Ratios with their intervals: a forest plot around one. */
function planRatios(result: Result): Plan | undefined {
  const { baseline, metrics } = result.scenario;
  if (result.estimates.length === 0) return undefined;
  const describe = describeVaried(result.estimates.map((e) => e.params));
  const primary = metrics.find((metric) => metric.ratio)?.name;
  const isTall = result.estimates.length > ROWS_MAX;
  const shown = result.estimates.filter((e) => !isTall || e.metric === primary);
  const severalMetrics = new Set(shown.map((e) => e.metric)).size > 1;
  const label = (name: string) => labelOf({ name, unit: "" });
  const values = shown.map((e) => ({
    subject: e.against,
    row: [severalMetrics ? label(e.metric) : "", describe(e.params)]
      .filter((part) => part !== "")
      .join(" · "),
    ratio: e.ratio_median,
    low: e.ci95_low ?? e.ratio_median,
    high: e.ci95_high ?? e.ratio_median,
  }));
  const color = colourOf(values.map((v) => v.subject));
  const y = { field: "row", type: "nominal", title: null, sort: null, axis: { labelLimit: 600 } };
  const yOffset = { field: "subject", sort: color.scale.domain };
  const names = [...new Set(shown.map((e) => label(e.metric)))];
  return {
    name: "ratios",
    title: `${baseline} ÷ other: ${names.join(", ")}`,
    spec: {
      data: { values },
      width: 420,
      height: { step: 14 },
      layer: [
        {
          mark: { type: "rule", strokeDash: [4, 3], color: "#495057" },
          encoding: { x: { datum: 1, type: "quantitative" } },
        },
        {
          mark: { type: "rule", size: 2 },
          encoding: {
            x: log("low", "ratio, 95 % interval", "~g"),
            x2: { field: "high" },
            y,
            yOffset,
            color,
          },
        },
        {
          mark: { type: "point", filled: true, size: 45 },
          encoding: { x: log("ratio", "ratio, 95 % interval", "~g"), y, yOffset, color },
        },
      ],
    },
  };
}

function log(field: string, title: string, format = "~s") {
  const axis = { format };
  return { field, type: "quantitative", title, axis, scale: { type: "log", nice: false } };
}

/** Every picture there is; each is planned only for results that have its data. */
export const PLANS: readonly ((result: Result) => Plan | undefined)[] = [
  planLoad,
  planMembers,
  planMemory,
  planNodes,
  planScale,
  planBars,
  planRatios,
];
