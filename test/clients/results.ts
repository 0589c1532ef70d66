import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Client, rowsOf } from "./clients.ts";
import type { ClientReport, RowResult } from "./rows.ts";

const FILE = fileURLToPath(new URL("results.json", import.meta.url));

/** Reports by the client's name. */
export type Results = Record<string, ClientReport>;

/** Reads what was seen when the results were last written. */
export function readResults(): Results {
  return existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : {};
}

/** Writes results, with names in order. */
export function writeResults(results: Results): void {
  const sorted = Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}

/** Lists what differs from what a client must do, and from what is recorded of it. */
export function findProblems(
  client: Client,
  report: ClientReport,
  recorded: ClientReport | undefined,
): string[] {
  const problems: string[] = [];
  for (const row of new Set([...rowsOf(client), ...Object.keys(report.rows)])) {
    const wanted = client.lacks?.[row] ? "not offered" : "works";
    const found = report.rows[row];
    if (!rowsOf(client).includes(row)) problems.push(`${row} is not one of its rows`);
    else if (found?.result !== wanted)
      problems.push(`${row}: ${describe(found)}, and must be "${wanted}"`);
    else if (recorded && recorded.rows[row]?.reason !== found.reason)
      problems.push(`${row}: the reason is ${found.reason}, and is recorded otherwise`);
  }
  return problems;
}

function describe(found: RowResult | undefined): string {
  if (!found) return "the client's program has not run it";
  return `"${found.result}"${found.detail ? ` (${found.detail})` : ""}`;
}
