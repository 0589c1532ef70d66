import { FIRST_ROWS } from "./first-rows.ts";
import { FOLDED_ROWS } from "./folded-rows.ts";
import { collectRest } from "./more.ts";
import { layOut } from "./panels.ts";

const DATASOURCE = { type: "prometheus", uid: "$datasource" };

const ROWS = [...FIRST_ROWS, ...FOLDED_ROWS];

/** Returns the dashboard as Grafana imports it; `npm run docs` writes it to dashboard.json. */
export function createDashboard(): unknown {
  const fromLabel = (name: string, of: string, many: boolean) => ({
    name,
    type: "query",
    datasource: DATASOURCE,
    query: { query: `label_values(${of}, ${name})`, refId: name },
    refresh: 2,
    multi: many,
    includeAll: many,
    current: many ? { text: "All", value: "$__all" } : {},
  });
  return {
    uid: "sluice",
    title: "Sluice",
    tags: ["sluice"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "10s",
    time: { from: "now-30m", to: "now" },
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus", current: {} },
        fromLabel("job", "sluice_build_info", false),
        fromLabel("instance", `sluice_build_info{job="$job"}`, true),
        {
          name: "quantile",
          type: "custom",
          query: "0.5,0.9,0.99",
          current: { text: "0.99", value: "0.99" },
        },
      ],
    },
    panels: layOut([...ROWS, ...collectRest(ROWS)]),
  };
}
