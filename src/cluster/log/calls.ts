import type { Client, RedisLink } from "../redis.ts";
import type { EntryId } from "./event-log.ts";
import type { FrameKind } from "./frame.ts";
import type { Script } from "./scripts.ts";

/**
 * Runs a script on streams. Redis forgets scripts, with SCRIPT FLUSH or when a replica takes over;
 * it says so before it has run anything, so the call can be made again.
 */
export async function runScript(
  client: Client,
  { text, sha }: Script,
  streams: readonly string[],
  given: readonly (string | number | Buffer)[],
): Promise<unknown> {
  // As a list: that many arguments of a function, one a channel, can be more than its stack holds.
  const all = [sha, streams.length, ...streams, ...given];
  try {
    return await client.callBuffer("EVALSHA", all);
  } catch (error) {
    if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
    all[0] = text;
    return client.callBuffer("EVAL", all);
  }
}

/** What appends to one log. */
export interface AppenderNeeds {
  readonly link: RedisLink;
  readonly stream: string;
  readonly script: Script;
  /** How many entries and messages wait in all logs of this process, and how many may. */
  readonly pending: { count: number; readonly max: number };
}

/** Appends an entry, or sends a message. */
export type Appender = (kind: FrameKind, frame: Buffer) => Promise<EntryId | number>;

interface Item {
  readonly kind: FrameKind;
  readonly frame: Buffer;
  resolve(answer: EntryId | number): void;
  reject(error: Error): void;
}

/** What one call of the script appends at most. */
const CALL_ITEMS = 500;
const CALL_BYTES = 1_048_576;
/** The kind of a frame, and its length. */
const HEAD_BYTES = 5;

/**
 * Returns the function that appends what one turn of the event loop brings, in one call or few and
 * in its order.
 *
 * One call waits for the other, because a call that Redis did not take is made again (it did not
 * know the script, or a Redis Cluster redirected it), and what follows must not overtake it.
 */
export function createAppender({ link, stream, script, pending }: AppenderNeeds): Appender {
  const queue: Item[] = [];
  let running = false;

  async function send(items: readonly Item[]): Promise<void> {
    const given = [pack(items)];
    try {
      const answers = await link.ask((client) => runScript(client, script, [stream], given));
      for (const [at, answer] of (answers as (Buffer | number)[]).entries()) {
        items[at]?.resolve(typeof answer === "number" ? answer : String(answer));
      }
    } catch (error) {
      for (const { reject } of items) reject(error as Error); // commands reject with errors
    } finally {
      pending.count -= items.length;
    }
  }

  async function flush(): Promise<void> {
    await send(takeCall(queue));
    running = queue.length > 0;
    if (running) setImmediate(flush);
  }

  return (kind, frame) =>
    new Promise((resolve, reject) => {
      if (pending.count >= pending.max) return reject(new Error("Redis is too slow"));
      pending.count++;
      queue.push({ kind, frame, resolve, reject });
      if (!running) setImmediate(flush);
      running = true;
    });
}

/** Takes from a queue what one call carries. */
function takeCall(queue: Item[]): Item[] {
  let bytes = 0;
  let count = 0;
  for (const { frame } of queue) {
    bytes += HEAD_BYTES + frame.length;
    if (count > 0 && (count === CALL_ITEMS || bytes > CALL_BYTES)) break;
    count++;
  }
  return queue.splice(0, count);
}

/** Packs frames into one argument: several for each would cost far more than the rest of a call. */
function pack(items: readonly Item[]): Buffer {
  const bytes = items.reduce((sum, { frame }) => sum + HEAD_BYTES + frame.length, 0);
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { kind, frame } of items) {
    at += packed.write(kind, at, "latin1");
    at = packed.writeUInt32BE(frame.length, at);
    packed.set(frame, at);
    at += frame.length;
  }
  return packed;
}
