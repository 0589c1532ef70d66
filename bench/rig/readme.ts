import type { Chart } from "./charts.ts";
import type { Estimate } from "./estimate.ts";
import { fileStem, type StoredResult } from "./results.ts";
import { formatNumber, formatParams, formatRatio } from "./table.ts";

/** A result with its pictures. */
export type Section = StoredResult & { readonly charts: readonly Chart[] };

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** Columns of the README's table, after ours. */
const OTHERS = ["stock-uws", "stock-ws", "bare"];
/** A README is not the place for every case; the results files have them. */
const CASES_MAX = 4;

type Params = Estimate["params"];
const count = (value: string | number | undefined) =>
  typeof value === "number" ? formatNumber(value) : String(value);
const CALLS: Readonly<Record<string, string>> = {
  namespace: "`io.emit()`",
  room: "`io.to(room).emit()`",
  sender: "`socket.to(room).emit()`",
  except: "`io.to(room).except(other).emit()`",
  union: "`io.to([a, b]).emit()`",
};

/** Scenarios whose subjects are the table's columns, and a case of each in words. */
const ROWS: Readonly<Record<string, (params: Params) => string>> = {
  fanout: (p) => {
    const turn = p.frames === 1 ? "" : `, ${count(p.frames)} at a time`;
    return `CPU per message, ${CALLS[String(p.shape)]} to ${count(p.members)}${turn}`;
  },
  latency: (p) => `p99 latency, ${count(p.rate)} broadcasts/s to ${count(p.members)}`,
  echo: (p) => `CPU per event with ack, ${p.load}`,
  connect: () => "CPU per connection accepted",
  idle: () => "Resident memory per idle connection",
  slow: (p) => `p99 latency at the others, ${count(p.stalled_percent)} % not reading`,
  storm: (p) => `Time until ${count(p.clients)} are back`,
};

/** Returns the text with what stands between the markers replaced; undefined without markers. */
export function replaceBlock(text: string, block: string): string | undefined {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) return undefined;
  return `${text.slice(0, from + BEGIN.length)}\n${block}\n${text.slice(to)}`;
}

/** Returns the README's figures: ratios first, machine, date and commit, links to the raw files. */
export function makeReadmeBlock(sections: readonly Section[], folder: string): string {
  const shown = sections.filter(({ result }) => result.scenario.name in ROWS);
  const rows = shown.flatMap((section) => sectionRows(section, folder));
  const first = (shown[0] ?? sections[0])?.result;
  if (first === undefined) return "No results yet.";
  const { env, git, started_at: at } = first;
  const loud = sections.filter(({ result }) => !result.valid).map((s) => s.result.scenario.name);
  return [
    `Measured ${at.slice(0, 10)} at commit \`${git.commit.slice(0, 7)}\` on ${env.cpu_model}, ` +
      `${env.cores} cores (server on one, clients on another, loopback), Node ${env.node}, ` +
      `uWebSockets.js ${env.uws}, Socket.IO ${env.socketio}. Ratios are Sluice ÷ the other in ` +
      "the same run: below 1 Sluice needs less. In parentheses the 95 % interval; `?` marks a ratio " +
      "that carries no claim.",
    "",
    "| Sluice ÷ | stock on uWebSockets.js | stock on ws | bare uWebSockets.js | Sluice itself |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
    ...(loud.length > 0 ? [`Not valid, see their flags: ${loud.join(", ")}.`, ""] : []),
    ...pictures(sections, folder),
  ].join("\n");
}

function sectionRows({ result, file }: Section, folder: string): string[] {
  const cases = new Map<string, Estimate[]>();
  for (const estimate of result.estimates) {
    const metric = result.scenario.metrics.find((m) => m.name === estimate.metric);
    if (metric === undefined || estimate.subject !== "ours") continue;
    const key = JSON.stringify([estimate.metric, estimate.params]);
    cases.set(key, [...(cases.get(key) ?? []), estimate]);
  }
  const primary = result.scenario.metrics.find((metric) => metric.ratio)?.name;
  const own = [...cases.values()].filter((estimates) => estimates[0]?.metric === primary);
  // Where the load climbs, the last cases with everyone in them say most.
  const full = own.filter((estimates) => estimates.length === own[0]?.length);
  const chosen = result.scenario.name === "latency" ? full.slice(-2) : own.slice(0, CASES_MAX);
  return chosen.flatMap((estimates) => {
    const [one] = estimates;
    if (one === undefined) return [];
    const cells = OTHERS.map((name) => {
      const estimate = estimates.find((e) => e.against === name);
      return estimate ? formatRatio(estimate) : "–";
    });
    const metric = result.scenario.metrics.find((m) => m.name === one.metric);
    const summary = result.summaries.find(
      (s) =>
        s.subject === "ours" &&
        s.metric === one.metric &&
        JSON.stringify(s.params) === JSON.stringify(one.params),
    );
    const figure = summary ? `${formatNumber(summary.median)} ${metric?.unit ?? ""}`.trim() : "–";
    const words = ROWS[result.scenario.name]?.(one.params) ?? formatParams(one.params);
    return `| [${words}](${folder}/${file}) | ${cells.join(" | ")} | ${figure} |`;
  });
}

/** The one picture that says most, and the way to the others. */
function pictures(sections: readonly Section[], folder: string): string[] {
  for (const { result, charts } of sections) {
    const chart = charts.find((c) => c.name === "ratios") ?? charts[0];
    if (chart === undefined) continue;
    const path = `${folder}/${fileStem(result)}-${chart.name}.svg`;
    return [
      `![${chart.title}](${path})`,
      "",
      `All pictures and flags: [the report](${folder}/report.html); ` +
        "how to read them: [bench/README.md](bench/README.md).",
    ];
  }
  return [];
}
