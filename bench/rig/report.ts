import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { SCENARIOS } from "../scenarios/all.ts";
import { costRows, readCosts, tableOf } from "../scenarios/scale.ts";
import { ROOT } from "./build.ts";
import { drawCharts } from "./charts.ts";
import { makeScalingBlock } from "./cluster-table.ts";
import { makePage } from "./page.ts";
import { makeReadmeBlock, replaceBlock } from "./readme.ts";
import { fileStem, newestOf, readResults, type StoredResult } from "./results.ts";
import { alignRows } from "./table.ts";

/** Writes a result's pictures beside its file and returns their paths. */
export async function writeCharts(folder: string, stored: StoredResult): Promise<string[]> {
  const charts = await drawCharts(stored.result);
  return charts.map(({ name, svg }) => {
    const path = join(folder, `${fileStem(stored.result)}-${name}.svg`);
    writeFileSync(path, `${svg}\n`);
    return path;
  });
}

/**
 * Makes one self-contained page of the newest result of each scenario, and replaces the figures of
 * README.md and docs/scaling.md where
 * they have a place for them. Returns lines that tell what was written.
 */
export async function writeReport(folder: string): Promise<string[]> {
  const newest = newestOf(
    readResults(folder),
    SCENARIOS.map((scenario) => scenario.name),
  );
  if (newest.length === 0) throw new Error(`there are no results in ${folder}`);
  const sections = [];
  for (const stored of newest) {
    await writeCharts(folder, stored);
    sections.push({ ...stored, charts: await drawCharts(stored.result) });
  }
  const page = join(folder, "report.html");
  writeFileSync(page, makePage(sections));
  const from = (page: string) => relative(dirname(join(ROOT, page)), folder);
  const cluster = sections.find(({ result }) => result.scenario.name === "cluster");
  return [
    page,
    writeFigures("README.md", makeReadmeBlock(sections, from("README.md"))),
    writeFigures("docs/scaling.md", makeScalingBlock(cluster, from("docs/scaling.md"))),
  ];
}

/** Replaces the figures of a page. Returns a line that tells what became of it. */
function writeFigures(name: string, block: string): string {
  const page = join(ROOT, name);
  const before = existsSync(page) ? readFileSync(page, "utf8") : "";
  const after = replaceBlock(before, block);
  if (after === undefined) return `${name} has no bench:begin and bench:end: left alone`;
  writeFileSync(page, after);
  formatPage(page);
  return page;
}

/**
 * Extrapolates what many nodes would carry from the newest result of `cluster`, and draws that
 * beside it. Returns the table as lines of text; without a result it is one of assumed costs.
 */
export async function writeScale(folder: string): Promise<string[]> {
  const stored = existsSync(folder) ? readResults(folder) : [];
  const [newest] = newestOf(stored, ["cluster"]);
  const { costs, assumed } = readCosts(newest?.result);
  const from = newest ? `costs of ${newest.file}` : `no result of cluster in ${folder}`;
  const charts = newest ? await writeCharts(folder, newest) : [];
  const drawn = charts.filter((path) => path.endsWith("-scale.svg"));
  return [from, alignRows(costRows(costs, assumed)), "", alignRows(tableOf(costs)), ...drawn];
}

/** Aligns the table as the repository's formatter would, or its check would fail. */
function formatPage(path: string): void {
  const biome = join(ROOT, "node_modules", "@biomejs", "biome", "bin", "biome");
  const run = spawnSync(process.execPath, [biome, "format", "--write", path], { cwd: ROOT });
  if (run.status !== 0) throw new Error(`${path} was written but not formatted: ${run.stderr}`);
}
