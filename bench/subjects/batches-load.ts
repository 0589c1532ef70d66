import type { Delivery } from "../rig/scenario.ts";

/** One round of the `batches` scenario. */
export interface BatchLoad {
  readonly durationMs: number;
  readonly payload: number;
  /** Sockets; of the control: requests open at once. */
  readonly connections: number;
}

/** What the function received. */
export interface BatchLoaded {
  readonly sent: number;
  readonly elapsedMs: number;
  readonly requests: number;
  readonly delivery: Delivery;
}

/** Events of one batch. */
export const BATCH = 100;
