import { CLUSTER, RECOVERY } from "./cluster.ts";
import { CODEC, DOOR, FANOUT } from "./door.ts";
import { GATEWAY, SOCKET } from "./gateway.ts";
import type { Runbooks } from "./runbook.ts";
import { UPSTREAM } from "./upstream.ts";

/** The runbook of every alert, by its name. */
export const RUNBOOKS: Runbooks = {
  ...CLUSTER,
  ...CODEC,
  ...DOOR,
  ...FANOUT,
  ...GATEWAY,
  ...RECOVERY,
  ...SOCKET,
  ...UPSTREAM,
};
