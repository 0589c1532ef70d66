import type { Scenario } from "../rig/scenario.ts";
import { scenario as fanout } from "./fanout.ts";

/** Every scenario, in the order in which they run and are reported. */
export const SCENARIOS: readonly Scenario[] = [fanout];
