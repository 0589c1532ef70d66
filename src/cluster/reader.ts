import type { Position } from "./position.ts";
import { type Client, pause, type RedisLink } from "./redis.ts";

/** What reading the stream needs. */
export interface ReaderNeeds {
  readonly stream: string;
  /** `cluster.streamPacketsMax`: a stream that is shorter was never trimmed. */
  readonly packetsMax: number;
  /** Where the stream ended when the node joined: it reads what comes after. */
  readonly streamEnd: Promise<string>;
  readonly position: Position;
  /** `cluster.timeoutMs`: how long an answer may take beyond the wait for messages. */
  readonly timeoutMs: number;
  failed(): void;
  /** Messages are gone that this node has not read. */
  lost(): void;
}

/** Messages of one answer, as the streams adapter asks for them; a stream keeps as many at least. */
const READ_COUNT = 100;

/**
 * Returns `xread` for a reader that begins where the stream ended when the node joined: `$` would
 * mean the end at every new attempt, and skip what came before the first and between two of them.
 *
 * When the stream was trimmed beyond what was read, `lost` is called before what is left is returned.
 */
export function createReader(client: Client, link: RedisLink, needs: ReaderNeeds) {
  const { stream, packetsMax, streamEnd, position, timeoutMs, failed, lost } = needs;
  const read = client.xread.bind(client) as (...given: unknown[]) => Promise<unknown>; // of many shapes

  async function isGone(id: string): Promise<boolean> {
    const [there, length] = await Promise.all([client.xrange(stream, id, id), client.xlen(stream)]);
    // Shorter, and it has begun anew: Redis forgot it, and whoever published meanwhile was told.
    return there.length === 0 && length >= packetsMax;
  }

  return async (...given: unknown[]): Promise<unknown> => {
    const last = given.at(-1);
    const from = last === "$" ? await streamEnd : String(last);
    position.readTo(from);
    // When nothing comes, Redis says so: a connection on which it does not is dead, as one of which
    // a firewall has forgotten, and the system would notice within a quarter of an hour. The
    // question is asked again on the next.
    const withinMs = Number(given[1]) + timeoutMs;
    let answered = false;
    const late = () => setImmediate(() => answered || link.cut(client));
    const timer = setInterval(late, withinMs).unref();
    const found = await read(...given.slice(0, -1), from)
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
    // What is left of a trimmed stream fills an answer; less than that is all there was.
    if (isFull(found) && (await isGone(from))) lost();
    return found;
  };
}

function isFull(found: unknown): boolean {
  const entries = (found as [string, unknown[]][] | null)?.[0]?.[1];
  return entries !== undefined && entries.length >= READ_COUNT;
}

/**
 * Returns the id of the stream's last message, as soon as Redis tells. There is one: into an empty
 * stream it writes a message for nobody, since a reader can only miss what it has read.
 */
export async function findEnd(link: RedisLink, stream: string): Promise<string> {
  for (;;) {
    await link.ready();
    try {
      const [newest] = await link.ask((client) => client.xrevrange(stream, "+", "-", "COUNT", 1));
      const id = newest?.[0] ?? (await link.ask((client) => client.xadd(stream, "*", "join", "")));
      if (id) return id;
    } catch {
      // Away again: the next answer will tell. Not at once, lest a Redis that refuses be flooded.
    }
    await pause();
  }
}
