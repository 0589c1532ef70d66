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
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const say = () => {
      why = link.trouble() || why;
      reject(new Error(`no answer within ${timeoutMs} ms${why && `: ${why}`}`));
    };
    timer = setTimeout(say, timeoutMs);
  });
  await Promise.race([link.ready(), late]).finally(() => {
    clearTimeout(timer);
    return link.stop();
  });
}
