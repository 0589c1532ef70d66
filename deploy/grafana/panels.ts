/** One panel as the dashboard's source writes it. */
export interface Panel {
  readonly title: string;
  /** Grafana's unit id: `short`, `ops`, `s`, `bytes`, `Bps`, `percentunit`. */
  readonly unit: string;
  /** Expression to legend; `{{label}}` is filled in by Grafana. */
  readonly lines: Readonly<Record<string, string>>;
  readonly kind?: "timeseries" | "stat" | "heatmap";
  /** Shown behind the panel's info sign. */
  readonly note?: string;
  /** What the panel says while no query has data; of a row's `unused` otherwise. */
  readonly none?: string;
}

/** One row of panels. */
export interface Row {
  readonly title: string;
  readonly collapsed?: boolean;
  /** What its panels say where the part that they show is not in use, and how to turn it on. */
  readonly unused?: string;
  readonly panels: readonly Panel[];
}

const COLUMNS = 24;
const HEIGHT = 8;
const STAT_HEIGHT = 4;
const DATASOURCE = { type: "prometheus", uid: "$datasource" };

/** Returns the rows as Grafana's panels, each with an id and a place in the grid. */
export function layOut(rows: readonly Row[]): unknown[] {
  const placed: unknown[] = [];
  let id = 0;
  let y = 0;
  for (const row of rows) {
    const head = { id: ++id, type: "row", title: row.title, collapsed: row.collapsed === true };
    const gridPos = { h: 1, w: COLUMNS, x: 0, y: y++ };
    const inside: unknown[] = [];
    const stats = row.panels.filter((panel) => panel.kind === "stat");
    const charts = row.panels.filter((panel) => panel.kind !== "stat");
    const place = (panel: Panel, w: number, h: number, x: number) =>
      inside.push({ id: ++id, gridPos: { h, w, x, y }, ...draw(panel, row.unused) });
    stats.forEach((panel, i) => {
      const w = COLUMNS / stats.length;
      place(panel, w, STAT_HEIGHT, i * w);
    });
    if (stats.length > 0) y += STAT_HEIGHT;
    charts.forEach((panel, i) => {
      const w = COLUMNS / 3;
      place(panel, w, HEIGHT, (i % 3) * w);
      if (i % 3 === 2 || i === charts.length - 1) y += HEIGHT;
    });
    // A collapsed row holds its panels; an open one is followed by them.
    placed.push({ ...head, gridPos, panels: row.collapsed ? inside : [] });
    if (!row.collapsed) placed.push(...inside);
  }
  return placed;
}

function draw(panel: Panel, unused: string | undefined): Record<string, unknown> {
  const noValue = panel.none ?? unused;
  const kind = panel.kind ?? "timeseries";
  const targets = Object.entries(panel.lines).map(([expr, legendFormat], i) => ({
    refId: String.fromCharCode(65 + i),
    datasource: DATASOURCE,
    expr,
    legendFormat,
    ...(kind === "heatmap" && { format: "heatmap" }),
    ...(kind === "stat" && { instant: true }),
  }));
  return {
    type: kind,
    title: panel.title,
    ...(panel.note !== undefined && { description: panel.note }),
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: { unit: panel.unit, min: 0, ...(noValue !== undefined && { noValue }) },
      overrides: [],
    },
    options: kind === "heatmap" ? { calculate: false, yAxis: { unit: panel.unit } } : {},
    targets,
  };
}
