import { LIMITS, readCosts, simulateAll } from "../scenarios/scale.ts";
import type { Plan } from "./plans.ts";
import type { Result } from "./results.ts";

/** What many nodes would carry, extrapolated from the costs of `cluster`; each limit has a shape. */
export function planScale(result: Result): Plan | undefined {
  if (result.scenario.name !== "cluster") return undefined;
  const { costs, assumed } = readCosts(result);
  // Of a run with some of its rows, this would be mostly what was assumed.
  if (assumed.length > 3) return undefined;
  const values = simulateAll(costs).map(({ nodes, size, rooms, broadcastsPerS, limit }) => ({
    ...{ nodes, limit, rate: Number(broadcastsPerS.toPrecision(3)) },
    size: size.toLocaleString("en-US"),
    rooms: rooms === 1 ? "to one room" : `to a union of ${rooms} rooms`,
  }));
  const scale = { type: "log", nice: false };
  const x = { field: "nodes", type: "quantitative", title: "nodes", scale };
  const axis = { format: "~s" };
  const y = { field: "rate", type: "quantitative", title: "broadcasts a second", scale, axis };
  const facets = [...new Set(values.map(({ rooms }) => rooms))];
  const sizes = [...new Set(values.map(({ size }) => size))];
  const title = "members of a room";
  const color = {
    field: "size",
    type: "nominal",
    sort: sizes,
    title,
    scale: { scheme: "viridis" },
  };
  const shape = {
    field: "limit",
    type: "nominal",
    title: "limit",
    scale: { domain: LIMITS },
    legend: { labelLimit: 0 },
  };
  return {
    name: "scale",
    title: "Extrapolated: what nodes carry, members at random on them, 70 % of every core and link",
    spec: {
      data: { values },
      facet: { field: "rooms", type: "nominal", title: null, sort: facets },
      spec: {
        width: 360,
        height: 360,
        layer: [
          { mark: "line", encoding: { x, y, color } },
          { mark: { type: "point", filled: true, size: 45 }, encoding: { x, y, color, shape } },
        ],
      },
    },
  };
}
