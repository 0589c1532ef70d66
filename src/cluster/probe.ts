import { within } from "../core/within.ts";
import { openRedis, type RedisSettings } from "./redis.ts";

/** Resolves when Redis answers; rejects with one sentence after `timeoutMs`. */
export async function probeRedis(settings: RedisSettings): Promise<void> {
  const { timeoutMs } = settings;
  let why = "";
  const changed = (_here: boolean, reason: string) => {
    why = reason;
  };
  const link = openRedis(
    { ...settings, pendingMax: 1 },
    { changed, reconnected() {}, failed() {} },
  );
  try {
    await within(link.ready(), timeoutMs, () => {
      why = link.trouble() || why;
      throw new Error(`no answer within ${timeoutMs} ms${why && `: ${why}`}`);
    });
  } finally {
    await link.stop();
  }
}
