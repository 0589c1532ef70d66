import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { BusSamples } from "./log/carrier.ts";
import { openRedis, type RedisLink } from "./redis.ts";

/** Connects to the Redis of all nodes, counts what becomes of it, and logs when it is away. */
export function openLink(
  settings: Settings["cluster"],
  { log, samples }: { readonly log: Log; readonly samples: BusSamples },
): RedisLink {
  let missedBefore = 0;
  return openRedis(settings, {
    changed(here, why) {
      samples.here = here ? 1 : 0;
      const gap = here ? samples.missed - missedBefore : 0;
      missedBefore = samples.missed;
      const fields = { component: "cluster", why, ...(here && { missed: gap }) };
      log(here ? "info" : "warn", fields, here ? "Redis is here" : "Redis is away");
    },
    reconnected: () => samples.reconnects++,
    failed: () => samples.errors++,
  });
}

/**
 * Resolves when Redis has answered. Rejects with one sentence after a while, or waits, by setting.
 */
export async function arrive(
  link: RedisLink,
  { timeoutMs, startup }: Settings["cluster"],
  log: Log,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const why = link.trouble();
      const text = `cluster.redisUrl: Redis did not answer within ${timeoutMs} ms${why && `: ${why}`}`;
      if (startup === "wait") log("warn", { component: "cluster" }, `${text}; waiting`);
      else reject(new Error(`${text}; to start without it, set cluster.startup=wait`));
    }, timeoutMs);
  });
  await Promise.race([link.ready(), late]).finally(() => clearTimeout(timer));
}
