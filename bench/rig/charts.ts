import type { TopLevelSpec } from "vega-lite";
import { PLANS, type Plan } from "./plans.ts";
import type { Result } from "./results.ts";

/** A picture of a result. */
export interface Chart {
  /** What it shows in one word: part of its file's name. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** Draws every picture that the result's data allow; needs no browser. */
export async function drawCharts(result: Result): Promise<Chart[]> {
  const charts: Chart[] = [];
  for (const plan of PLANS) {
    const planned = plan(result);
    if (planned === undefined) continue;
    const { name, title, spec } = planned;
    charts.push({ name, title, svg: await render(withLook(spec, result, title)) });
  }
  return charts;
}

async function render(spec: TopLevelSpec): Promise<string> {
  // Loading both takes a second, which nobody should wait for who has not measured anything yet.
  const [{ parse, View }, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** The title, and the machine beneath it: a figure without its machine is a rumour. */
function withLook(spec: Plan["spec"], result: Result, title: string): TopLevelSpec {
  const { env, git, started_at: at } = result;
  const machine = `${env.cpu_model}, ${env.cores} cores, Node ${env.node}`;
  const where = `${machine}, ${at.slice(0, 10)}, ${git.commit.slice(0, 7)}`;
  const look = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: title,
      subtitle: `${where}${result.valid ? "" : " · NOT VALID, see flags"}`,
      anchor: "start",
    },
    background: "white",
    padding: 12,
    config: { axis: { labelFontSize: 11, titleFontSize: 11 }, view: { stroke: "#dee2e6" } },
  };
  // The specs below are written against Vega-Lite 6; a mistake in one throws in `compile`.
  return { ...look, ...spec } as unknown as TopLevelSpec;
}
