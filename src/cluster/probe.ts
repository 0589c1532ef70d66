import { openRedis } from "./redis.ts";

/** Resolves when the Redis of a URL answers; rejects with one sentence after `timeoutMs`. */
export async function probeRedis(redisUrl: string, timeoutMs: number): Promise<void> {
  let why = "";
  const changed = (_here: boolean, reason: string) => {
    why = reason;
  };
  const seen = { changed, reconnected() {}, failed() {} };
  const link = openRedis({ redisUrl, timeoutMs, pendingMax: 1 }, seen);
  link.client.on("error", (error: Error) => {
    why = error.message;
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const say = () => reject(new Error(`no answer within ${timeoutMs} ms${why && `: ${why}`}`));
    timer = setTimeout(say, timeoutMs);
  });
  await Promise.race([link.ready(), late]).finally(() => {
    clearTimeout(timer);
    return link.stop();
  });
}
