import type { Chart } from "./charts.ts";
import { clusterRows, clusterTable } from "./cluster-table.ts";
import { hasOverview, OVERVIEW_HEAD, overviewOf } from "./overview.ts";
import { fileStem, type StoredResult } from "./results.ts";

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

/** Returns the README's figures: ratios first, machine, date and commit, links to the raw files. */
export function makeReadmeBlock(sections: readonly Section[], folder: string): string {
  const shown = sections.filter(({ result }) => hasOverview(result));
  const rows = shown.flatMap(({ result, file }) =>
    overviewOf(result).map(
      ([words, ...cells]) => `| [${words}](${folder}/${file}) | ${cells.join(" | ")} |`,
    ),
  );
  const all = (shown.length > 0 ? shown : sections).map(({ result }) => result);
  const [first] = all;
  if (first === undefined) return "No results yet.";
  const { env } = first;
  const when = list(all.map((result) => result.started_at.slice(0, 10)));
  const commits = list(all.map((result) => `\`${result.git.commit.slice(0, 7)}\``));
  const loud = sections.filter(({ result }) => !result.valid).map((s) => s.result.scenario.name);
  return [
    `Measured ${when} at commit ${commits} on ${env.cpu_model}, ` +
      `${env.cores} cores (server on one, clients on another, loopback), Node ${env.node}, ` +
      `uWebSockets.js ${env.uws}, Socket.IO ${env.socketio}.`,
    "",
    "Ratios are Sluice ÷ the other in the same run: below 1 Sluice needs less. In parentheses " +
      "the 95 % interval; `?` marks a ratio that carries no claim. _Stock_ is Socket.IO itself, on " +
      "uWebSockets.js by `io.attachApp` and, as most run it, on Node's http server with `ws`; " +
      "_bare_ is uWebSockets.js without any Socket.IO: a floor, not a competitor. Broadcasts _at a " +
      "time_ are made in one turn of the event loop, so that their frames share writes.",
    "",
    `| ${OVERVIEW_HEAD.join(" | ")} |`,
    `|${" --- |".repeat(OVERVIEW_HEAD.length)}`,
    ...rows,
    "",
    ...several(sections, folder),
    ...(loud.length > 0 ? [`Not valid, see their flags: ${loud.join(", ")}.`, ""] : []),
    ...pictures(sections, folder),
  ].join("\n");
}

/** `a, b and c`, each once. */
function list(words: readonly string[]): string {
  return new Intl.ListFormat("en").format([...new Set(words)].sort());
}

/** What more processes cost. */
function several(sections: readonly Section[], folder: string): string[] {
  const found = sections.find(({ result }) => result.scenario.name === "cluster");
  if (found === undefined || clusterRows(found.result, false).length === 0) return [];
  return [
    `[Several processes](${folder}/${found.file}): nodes behind Redis, and workers on one port; ` +
      "_stock's nodes_ are Socket.IO's on uWebSockets.js with its streams adapter. A ratio of one " +
      "process or node to several, in CPU per delivery, is what several deliver per CPU second of " +
      "what one does.",
    "",
    ...clusterTable(found.result, false),
    "",
  ];
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
