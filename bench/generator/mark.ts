import { nowUs } from "../wire/marker.ts";
import type { Fleet } from "./fleet.ts";

const TIMEOUT_MS = 5000;

/**
 * Marks the clients that receive the next messages as near, until nothing has come for `quietMs`.
 * Returns how many they are.
 */
export async function markNear(fleet: Fleet, quietMs: number): Promise<number> {
  const startedUs = nowUs();
  fleet.near.clear();
  fleet.watcher = { take: (client) => void fleet.near.add(client) };
  const isOver = () => {
    const sinceUs = fleet.near.size > 0 ? fleet.readAtUs : startedUs;
    return nowUs() - sinceUs > (fleet.near.size > 0 ? quietMs : TIMEOUT_MS) * 1000;
  };
  while (!isOver()) await new Promise((resolve) => setTimeout(resolve, 5));
  fleet.watcher = undefined;
  return fleet.near.size;
}
