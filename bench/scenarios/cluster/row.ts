import { deliveryOf } from "../../rig/bench.ts";
import { measurePairs, type Turn, warmUp } from "../../rig/rounds.ts";
import type { Context, Round } from "../../rig/scenario.ts";
import type { Played } from "../../rig/site.ts";

/** How the rows of a run are measured. */
export interface How {
  readonly blocks: number;
  readonly durationMs: number;
  readonly warmMs: number;
  /** Whether it is a smoke test, which is satisfied with little. */
  readonly isSmall: boolean;
  /** Whether a row is to be measured. */
  wants(row: string): boolean;
}

/** Bytes of every message. */
export const PAYLOAD_BYTES = 128;

/** A row of the table, measured for each of its subjects. */
export interface Row {
  readonly params: Round["params"];
  readonly subjects: readonly string[];
  measure(subject: string, durationMs: number): Promise<Told>;
}

/** What a round of a row tells. */
export interface Told extends Pick<Round, "values" | "latency"> {
  readonly played?: Played;
}

/** Warms every subject up, then measures them in turns. */
export async function measureRow(context: Context, how: How, row: Row): Promise<void> {
  const { params, subjects } = row;
  const round = async ({ subject, pair }: Turn, durationMs: number): Promise<Round> => {
    const { played, ...told } = await row.measure(subject, durationMs);
    return {
      ...{ subject, pair, params, ...told },
      ...(played ? { delivery: deliveryOf(played.watched), flags: played.flags } : {}),
    };
  };
  const what = `cluster: ${Object.values(params).join(", ")}`;
  for (const subject of subjects) {
    context.say(`${what}: ${subject} warms up`);
    await warmUp(how.warmMs, (turn) => round({ subject, pair: turn.pair }, turn.durationMs));
  }
  const plan = { what, subjects, blocks: how.blocks };
  await measurePairs(context, plan, (turn) => round(turn, how.durationMs));
}

/** Microseconds of each of so many. */
export function perEach(seconds: number, count: number): number {
  return (seconds * 1e6) / Math.max(1, count);
}

/** What all servers, and Redis, used for each delivery. */
export function costOf({ cpuS, watched, redisS, redisBytesOut, broadcasts }: Played) {
  const serversS = cpuS.reduce((sum, s) => sum + s, 0);
  return {
    cpu_us_per_delivery: perEach(serversS, watched.received),
    deliveries_per_cpu_s: watched.received / (serversS || 1),
    redis_cpu_us_per_broadcast: perEach(redisS, broadcasts),
    redis_bytes_per_broadcast: redisBytesOut / Math.max(1, broadcasts),
  };
}
