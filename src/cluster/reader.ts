import { createHash } from "node:crypto";
import type { Position } from "./position.ts";
import { type Client, pause, type RedisLink } from "./redis.ts";
import { END, isLossNote, LOOK, markOf, type Place } from "./stream-place.ts";

/** What reading the stream needs. */
export interface ReaderNeeds {
  readonly stream: string;
  /** Where the stream ended when the node joined: it reads what comes after. */
  readonly streamEnd: Promise<Place>;
  readonly position: Position;
  /** `cluster.timeoutMs`: how long an answer may take beyond the wait for messages. */
  readonly timeoutMs: number;
  failed(): void;
  /** Messages are gone that this node has not read. */
  lost(): void;
}

type Entry = readonly [id: string, fields: readonly string[]];

const LOOK_SHA = createHash("sha1").update(LOOK).digest("hex");
/** Nodes find out about one loss within this time, each by itself or by another's note. */
const SAME_LOSS_MS = 60_000;

/**
 * Returns `xread` for a reader that begins where the stream ended when the node joined: `$` would
 * mean the end at every new attempt, and skip what came before the first and between two of them.
 *
 * When the stream does not have what was read last, messages may be missing that came after it: it
 * was trimmed, or Redis has lost it. Then `lost` is called, and it is read on from the end.
 */
export function createReader(client: Client, link: RedisLink, needs: ReaderNeeds) {
  const { stream, streamEnd, position, timeoutMs, failed, lost } = needs;
  // Of many shapes.
  const read = client.xread.bind(client) as (...given: unknown[]) => Promise<unknown>;
  let place: Place | undefined;
  let lostAt: string | undefined;

  function lose(at: string): void {
    lostAt = at;
    position.restart(at);
    lost();
  }

  /** Whether another node's note says what this one has not found out by itself. */
  function isNews([id, fields]: Entry): boolean {
    if (!isLossNote(fields)) return false;
    const passedMs = lostAt === undefined ? SAME_LOSS_MS : msOf(id) - msOf(lostAt);
    return passedMs < 0 || passedMs >= SAME_LOSS_MS;
  }

  return async (...given: unknown[]): Promise<unknown> => {
    place ??= await streamEnd;
    const from = place;
    position.readTo(from.id);
    // When nothing comes, Redis says so: a connection on which it does not is dead, as one of which
    // a firewall has forgotten, and the system would notice within a quarter of an hour. The
    // question is asked again on the next.
    const withinMs = Number(given[1]) + timeoutMs;
    let answered = false;
    const late = () => setImmediate(() => answered || link.cut(client));
    const timer = setInterval(late, withinMs).unref();
    // Looked at after it was read, behind it on the same connection: what was there then was there
    // before, also when both are asked again on the next connection.
    const asked = Promise.all([read(...given.slice(0, -1), from.id), look(client, stream, from)]);
    const [found, end] = await asked
      .finally(() => {
        answered = true;
        clearInterval(timer);
      })
      .catch(async (error: unknown) => {
        failed();
        // It is asked for again at once: a Redis that refuses must not be flooded.
        await pause();
        throw error;
      });
    if (end) {
      place = end;
      lose(end.id);
      return null;
    }
    const entries = (found as [string, Entry[]][] | null)?.[0]?.[1] ?? [];
    for (const entry of entries) if (isNews(entry)) lose(entry[0]);
    const last = entries.at(-1);
    const count = from.count + entries.length;
    if (last) place = { id: last[0], mark: markOf(last[1]), count };
    return found;
  };
}

/** Returns where to go on when something may be missing after a message. */
async function look(client: Client, stream: string, place: Place): Promise<Place | null> {
  const given = [1, stream, place.id, place.mark, place.count] as const;
  const answer = await client.evalsha(LOOK_SHA, ...given).catch((error: Error) => {
    if (!error.message.startsWith("NOSCRIPT")) throw error;
    return client.eval(LOOK, ...given);
  });
  return answer === null ? null : readPlace(answer);
}

function readPlace(answer: unknown): Place {
  const [id, mark, count] = answer as [string, string, number]; // so the scripts end
  return { id, mark, count };
}

function msOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/**
 * Returns the stream's last message, as soon as Redis tells. There is one: into an empty stream it
 * writes a message for nobody, since a reader can only miss what it has read.
 */
export async function findEnd(link: RedisLink, stream: string): Promise<Place> {
  for (;;) {
    await link.ready();
    try {
      return readPlace(await link.ask((client) => client.eval(END, 1, stream)));
    } catch {
      // Away again: the next answer will tell. Not at once, lest a Redis that refuses be flooded.
    }
    await pause();
  }
}
