import { overviewOf, tabulate } from "./overview.ts";
import type { Section } from "./readme.ts";
import type { Metric } from "./scenario.ts";
import { formatFlags, labelOf, makeTables, makeWitnessTables } from "./table.ts";

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #212529; background: #fff; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #dee2e6; text-align: right; }
th:first-child, td:first-child { text-align: left; }
pre { background: #f8f9fa; padding: .7rem; white-space: pre-wrap; }
.void { color: #c92a2a; } svg { max-width: 100%; height: auto; }`;

/** Returns one page that needs nothing else: tables, pictures, flags and the machine. */
export function makePage(sections: readonly Section[]): string {
  const links = sections.map(
    ({ result: { scenario } }) =>
      `<a href="#${escapeHtml(scenario.name)}">${escapeHtml(scenario.name)}</a>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sluice: benchmark</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>Sluice: benchmark</h1>
<p>${links.join(" · ")}</p>
<p><b>ours</b> is Sluice; <b>stock-uws</b> is Socket.IO on uWebSockets.js; <b>stock-ws</b> is
Socket.IO on Node's http server; <b>bare</b> is uWebSockets.js alone, the lowest possible cost, without Socket.IO;
<b>socketioxide</b> is Socket.IO in Rust; <b>centrifugo</b> is Centrifugo's engine in Go, by its own
protocol.
Ratios are the first row ÷ the other, paired within one run, with their 95 % interval: below 1 the
first needs less. A question mark is a ratio that is not significant. A void figure was invalidated
by a flag of its own run.</p>
${makeOverview(sections)}
${sections.map(makeSection).join("\n")}
</body></html>
`;
}

function makeOverview(sections: readonly Section[]): string {
  const rows = sections.flatMap(({ result }) => overviewOf(result));
  return rows.length === 0 ? "" : makeTable(tabulate(rows).map((row) => row.map(plain)));
}

/** Without the marks of Markdown. */
function plain(cell: string): string {
  return cell.replaceAll("`", "");
}

function makeTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const body = rows.map((row) => `<tr>${row.map((cell) => cellOf("td", cell)).join("")}</tr>`);
  const heads = head.map((cell) => cellOf("th", cell)).join("");
  return `<table><tr>${heads}</tr>${body.join("")}</table>`;
}

function makeSection({ result, file, charts }: Section): string {
  const { scenario, env, git } = result;
  const tables = [...makeTables(result), ...makeWitnessTables(result)].map(
    ({ title, head, rows }) => `<h3>${escapeHtml(title)}</h3>${makeTable([head, ...rows])}`,
  );
  const texts = scenario.metrics.map(
    (m) => `<li><b>${escapeHtml(labelOf(m))}</b>: ${escapeHtml(m.text)} ${isBetter(m)}</li>`,
  );
  const machine = `${env.cpu_model}, ${env.cores} cores, ${env.kernel}`;
  const where = `${machine}, Node ${env.node}, uWebSockets.js ${env.uws}`;
  const commit = `commit ${git.commit.slice(0, 12)}${git.dirty ? " with changes" : ""}`;
  const run = `${result.started_at}, ${commit}, mode ${scenario.mode}, seed ${result.seed}`;
  return `<section id="${escapeHtml(scenario.name)}"><h2>${escapeHtml(scenario.name)}</h2>
<p>${escapeHtml(scenario.question)}</p>
<p>${escapeHtml(run)}; ${escapeHtml(where)};
raw: <a href="${escapeHtml(file)}">${escapeHtml(file)}</a></p>
${charts.map((chart) => `<figure>${chart.svg}</figure>`).join("\n")}
${tables.join("\n")}
<ul>${texts.join("")}</ul>
<pre${result.valid ? "" : ' class="void"'}>${escapeHtml(formatFlags(result))}</pre></section>`;
}

function isBetter({ better }: Metric): string {
  return `${better === "lower" ? "Lower" : "Higher"} is better.`;
}

function cellOf(tag: "td" | "th", cell: string): string {
  return `<${tag}${cell.endsWith("void") ? ' class="void"' : ""}>${escapeHtml(cell)}</${tag}>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
