import type { RedisLink } from "../redis.ts";
import { runScript } from "./calls.ts";
import type { Place } from "./carrier.ts";
import type { EntryId } from "./event-log.ts";
import { ENDS, type Push } from "./scripts.ts";
import type { Subscriber } from "./subscriber.ts";

/** A log whose end is asked for. */
export interface Asking {
  readonly stream: string;
  /** The connection on which it is heard. */
  readonly subscriber: Subscriber;
  /** Returns the next marker. */
  nextMarker(): Marker;
}

/** A marker, which a script that asks pushes behind all that was pushed before. */
export interface Marker {
  readonly channel: string;
  readonly frame: Buffer;
  /** Resolves when it has come. */
  come(): Promise<void>;
  forget(): void;
}

/** The end of a log, undefined if that is gone, and what the log's clock showed. */
export interface Ended {
  readonly end: Place | undefined;
  readonly ms: number;
}

/** Returns the end of a log, once all that was pushed up to it has come. */
export type AskEnd = (asking: Asking) => Promise<Ended>;

interface Waiting extends Asking {
  resolve(ended: Ended): void;
  reject(error: Error): void;
}

/** How many ends one call asks for: Redis does nothing else meanwhile. */
const CALL_LOGS = 100;

/**
 * Returns what asks for the ends of logs: of all that are asked for in one turn, in one call, with
 * one marker for all. In a Redis Cluster each log is in a slot of its own, and asked for alone.
 */
export function createAskEnd(
  link: RedisLink,
  { push, keptSeconds }: { readonly push: Push; readonly keptSeconds: number },
): AskEnd {
  let waiting: Waiting[] = [];

  async function send(all: readonly Waiting[]): Promise<void> {
    const [first] = all;
    if (!first) return;
    const marker = first.nextMarker();
    const keys = all.map(({ stream }) => stream);
    try {
      const given = [push, marker.channel, marker.frame, keptSeconds];
      const answer = await link.ask((client) => runScript(client, ENDS, keys, given));
      await marker.come();
      const [ms, ends] = answer as readonly [number, readonly Answer[]]; // as the script says
      for (const [at, end] of ends.entries()) all[at]?.resolve({ end: readEnd(end), ms });
    } catch (error) {
      for (const { reject } of all) reject(error as Error); // commands reject with errors
    } finally {
      marker.forget();
    }
  }

  function flush(): void {
    const groups = new Map<unknown, Waiting[]>();
    for (const one of waiting) {
      const key = push === "SPUBLISH" ? one : one.subscriber;
      const group = groups.get(key);
      if (group) group.push(one);
      else groups.set(key, [one]);
    }
    waiting = [];
    for (const group of groups.values()) {
      while (group.length > 0) void send(group.splice(0, CALL_LOGS));
    }
  }

  return (asking) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ ...asking, resolve, reject });
    });
}

type Answer = readonly [id: Buffer, mark: Buffer, count: number] | readonly [];

function readEnd([id, mark, count]: Answer): Place | undefined {
  if (id === undefined) return undefined;
  const read: EntryId = String(id);
  return { id: read, mark: String(mark), count: Number(count) };
}
