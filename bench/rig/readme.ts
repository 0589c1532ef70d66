import type { Chart } from "./charts.ts";
import type { Estimate } from "./estimate.ts";
import { type OverviewRow, overviewOf, saysSomething, tabulate } from "./overview.ts";
import { fileStem, type StoredResult } from "./results.ts";
import { formatRatio, markdown } from "./table.ts";

/** A result with its pictures. */
export type Section = StoredResult & { readonly charts: readonly Chart[] };

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** Returns the text with what stands between the markers replaced; undefined without markers. */
export function replaceBlock(text: string, block: string): string | undefined {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) return undefined;
  return `${text.slice(0, from + BEGIN.length)}\n${block}\n${text.slice(to)}`;
}

/** Rows of the README: what a reader decides by. Everything else is in the report. */
const ROWS_MAX = 5;

/** Which cases matter, most first. */
const MATTERING: readonly ((row: OverviewRow) => boolean)[] = [
  ({ scenario }) => scenario === "connect",
  ({ scenario, params }) => scenario === "echo" && String(params.load).startsWith("saturated"),
  ({ scenario, params }) => scenario === "bursts" && params.frames === 80,
  ({ scenario, params: p }) => scenario === "fanout" && p.shape === "room" && p.frames === 20,
  ({ scenario }) => scenario === "idle",
  ({ scenario, params: p }) => scenario === "fanout" && p.shape === "sender" && p.frames === 1,
  ({ scenario }) => scenario === "upstream",
  ({ scenario }) => scenario === "start",
  ({ scenario, params }) => scenario === "slow" && params.stalled_percent !== 0,
  ({ scenario }) => scenario === "storm",
];

/** Returns the rows that matter and say something, of the results that have them. */
export function chooseRows<R extends OverviewRow>(rows: readonly R[]): R[] {
  const claimed = rows.filter(saysSomething);
  return MATTERING.flatMap((matters) => claimed.find(matters) ?? []).slice(0, ROWS_MAX);
}

/** Returns the README's figures: ratios first, machine, date and commit, links to the raw files. */
export function makeReadmeBlock(sections: readonly Section[], folder: string): string {
  const rows = sections.flatMap((section) =>
    overviewOf(section.result).map((row) => ({
      ...row,
      words: `[${row.words}](${folder}/${section.file})`,
      section,
    })),
  );
  const chosen = chooseRows(rows);
  const shown = chosen.length > 0 ? chosen.map(({ section }) => section) : sections;
  const [first] = shown;
  if (first === undefined) return "No results yet.";
  const { env } = first.result;
  const when = list(shown.map(({ result }) => result.started_at.slice(0, 10)));
  const commits = list(shown.map(({ result }) => `\`${result.git.commit.slice(0, 7)}\``));
  const loud = shown.filter(({ result }) => !result.valid).map((s) => s.result.scenario.name);
  return [
    `Measured ${when} at commit ${commits} on ${env.cpu_model}, ` +
      `${env.cores} cores (server on one, clients on another, loopback), Node ${env.node}, ` +
      `uWebSockets.js ${env.uws}, Socket.IO ${env.socketio}${versions(shown)}.`,
    "",
    "Each ratio is Sluice ÷ the other, measured in the same run. Below 1 (in bold), Sluice needs " +
      "less. The 95 % interval is in parentheses; `?` marks a ratio that is not significant. _Stock_ " +
      "is Socket.IO itself: on uWebSockets.js (`io.attachApp`), or on Node's http server with `ws`, as " +
      "most people run it. _Bare_ is uWebSockets.js without Socket.IO: the lowest possible cost, not " +
      "a competitor. Broadcasts _at a time_ are made in one turn of the event loop, so their frames " +
      "share writes.",
    "",
    ...markdown(tabulate(chosen, formatCell)),
    "",
    ...(loud.length > 0 ? [`Not valid, see their flags: ${list(loud)}.`, ""] : []),
    ...pictures(shown, folder),
  ].join("\n");
}

/** A win stands out. */
function formatCell(estimate: Estimate): string {
  const text = formatRatio(estimate);
  return estimate.verdict === "better" ? `**${text}**` : text;
}

/** The versions of peers, with what they speak where that is not Socket.IO. */
function versions(sections: readonly Section[]): string {
  const peers = new Map<string, string>();
  for (const { result } of sections)
    for (const { name, about } of result.subjects) {
      if (name === "socketioxide") peers.set(name, `, socketioxide ${about.socketioxide}`);
      if (name === "centrifugo")
        peers.set(
          name,
          `, centrifuge ${about.centrifuge}, the engine of Centrifugo, by its own protocol`,
        );
    }
  return [...peers.values()].join("");
}

/** `a, b and c`, each once. */
function list(words: readonly string[]): string {
  return new Intl.ListFormat("en").format([...new Set(words)].sort());
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
      `[The report](${folder}/report.html) has all rows, pictures and flags. ` +
        "[bench/README.md](bench/README.md) says how to read them, and has the command for each figure. " +
        "For several processes, see [docs/scaling.md](docs/scaling.md).",
    ];
  }
  return [];
}
