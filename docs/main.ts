/**
 * Writes the generated pages, schemas, dashboard and the type of the settings from the tables: `npm run docs`.
 * With `--check` nothing is written, and pages that differ end it with exit code 1.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createDashboard } from "../deploy/grafana/dashboard.ts";
import { createPrometheusRule } from "../deploy/kubernetes/prometheusrule.ts";
import { alertsPage } from "./alerts.ts";
import { callsPage } from "./calls.ts";
import { clientsPage } from "./clients.ts";
import { httpApiPage } from "./http-api.ts";
import { closesPage, failuresPage, metricsPage, optionsPage, settingsPage } from "./pages.ts";
import { callSchemas, commandSchemas, openApiText } from "./schemas.ts";
import { settingsTypes } from "./settings-types.ts";

const PAGES: Readonly<Record<string, () => string>> = {
  "docs/settings.md": settingsPage,
  "docs/metrics.md": metricsPage,
  "docs/alerts.md": alertsPage,
  "docs/closes.md": closesPage,
  "docs/failures.md": failuresPage,
  "docs/options.md": optionsPage,
  "docs/http-api.md": httpApiPage,
  "docs/calls.md": callsPage,
  "docs/clients.md": clientsPage,
  "docs/openapi.json": openApiText,
  "docs/schemas/commands.json": commandSchemas,
  "docs/schemas/calls.json": callSchemas,
  "src/core/settings-types.ts": settingsTypes,
  "deploy/kubernetes/prometheusrule.yaml": () => createPrometheusRule(),
  "deploy/helm/sluice/files/prometheusrule.yaml": () => createPrometheusRule(),
  "deploy/grafana/dashboard.json": () => `${JSON.stringify(createDashboard(), null, 2)}\n`,
};

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [path, make] of Object.entries(PAGES)) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const text = make();
  if (readIfThere(file) === text) continue;
  stale.push(path);
  if (!check) writeFileSync(file, text);
}
if (stale.length > 0) console.log(`${check ? "stale" : "written"}: ${stale.join(", ")}`);
if (check && stale.length > 0) {
  console.error("run `npm run docs` and commit what it writes");
  process.exitCode = 1;
}
