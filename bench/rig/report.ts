import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SCENARIOS } from "../scenarios/all.ts";
import { ROOT } from "./build.ts";
import { drawCharts } from "./charts.ts";
import { makePage } from "./page.ts";
import { makeReadmeBlock, replaceBlock } from "./readme.ts";
import { fileStem, newestOf, readResults, type StoredResult } from "./results.ts";

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
 * Makes one self-contained page of the newest result of each scenario, and replaces the README's
 * figures if it has a place for them. Returns lines that tell what was written.
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
  const lines = [page];
  const readme = join(ROOT, "README.md");
  const before = existsSync(readme) ? readFileSync(readme, "utf8") : "";
  const block = makeReadmeBlock(sections, relative(ROOT, folder));
  const after = replaceBlock(before, block);
  if (after === undefined) lines.push("README.md has no bench:begin and bench:end: left alone");
  else {
    writeFileSync(readme, after);
    formatPage(readme);
    lines.push(readme);
  }
  return lines;
}

/** Aligns the table as the repository's formatter would, or its check would fail. */
function formatPage(path: string): void {
  const biome = join(ROOT, "node_modules", "@biomejs", "biome", "bin", "biome");
  const run = spawnSync(process.execPath, [biome, "format", "--write", path], { cwd: ROOT });
  if (run.status !== 0) throw new Error(`${path} was written but not formatted: ${run.stderr}`);
}
