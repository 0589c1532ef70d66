import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Client, rowsOf } from "./clients.ts";
import type { ClientReport, Result, RowResult } from "./rows.ts";

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

/**
 * Lists what differs from what a client must do and, if `recorded` is given, from what is recorded
 * of it. The runtime's version may differ: machines have their own.
 */
export function findProblems(
  client: Client,
  report: ClientReport,
  recorded: ClientReport | undefined | "anything",
): string[] {
  const problems: string[] = [];
  for (const row of new Set([...rowsOf(client), ...Object.keys(report.rows)])) {
    const wanted = wantedOf(client, row);
    const found = report.rows[row];
    if (!rowsOf(client).includes(row)) problems.push(`${row} is not one of its rows`);
    else if (found?.result !== wanted)
      problems.push(`${row}: ${describe(found)}, and must be "${wanted}"`);
  }
  if (recorded !== "anything") problems.push(...findChanges(report, recorded));
  return problems;
}

function wantedOf({ lacks, faults }: Client, row: string): Result {
  if (lacks?.[row]) return "not offered";
  return faults?.[row] ? "fails" : "works";
}

function findChanges(report: ClientReport, recorded: ClientReport | undefined): string[] {
  if (!recorded) return ["nothing is recorded of it: run it with --write"];
  const problems: string[] = [];
  const same = (what: string, found: string | undefined, wanted: string | undefined) => {
    if (found !== wanted) problems.push(`${what} is "${found}", and "${wanted}" is recorded`);
  };
  same("its version", report.version, recorded.version);
  for (const [row, { reason }] of Object.entries(report.rows))
    same(`${row}: the reason`, reason, recorded.rows[row]?.reason);
  return problems;
}

function describe(found: RowResult | undefined): string {
  if (!found) return "the client's program has not run it";
  return `"${found.result}"${found.detail ? ` (${found.detail})` : ""}`;
}
