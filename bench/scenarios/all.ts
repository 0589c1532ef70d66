import type { Scenario } from "../rig/scenario.ts";
import { scenario as api } from "./api.ts";
import { scenario as batches } from "./batches.ts";
import { scenario as bursts } from "./bursts.ts";
import { scenario as cluster } from "./cluster.ts";
import { scenario as codec } from "./codec.ts";
import { scenario as connect } from "./connect.ts";
import { scenario as durable } from "./durable.ts";
import { scenario as echo } from "./echo.ts";
import { scenario as fanout } from "./fanout.ts";
import { scenario as idle } from "./idle.ts";
import { scenario as idling } from "./idling.ts";
import { scenario as latency } from "./latency.ts";
import { scenario as slow } from "./slow.ts";
import { scenario as start } from "./start.ts";
import { scenario as storm } from "./storm.ts";
import { scenario as upstream } from "./upstream.ts";

/** Every scenario, in the order in which they run and are reported. */
export const SCENARIOS: readonly Scenario[] = [
  fanout,
  bursts,
  latency,
  echo,
  connect,
  idle,
  idling,
  slow,
  storm,
  start,
  codec,
  upstream,
  batches,
  durable,
  api,
  cluster,
];
