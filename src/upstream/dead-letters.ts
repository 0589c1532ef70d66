import type { FailureCode } from "../core/failures.ts";
import { fromTaggedJson } from "../core/value.ts";
import type { CloudEvent } from "./cloud-event.ts";
import { createLine } from "./line.ts";
import type { Route } from "./routes.ts";

/** An event that no function took. */
export interface Undelivered {
  readonly event: CloudEvent;
  readonly route: Route;
  readonly path: string;
  readonly attempts: number;
  readonly code: FailureCode;
  readonly detail: string | undefined;
}

/** An event that no function took, as it is shown. */
export interface DeadLetter {
  /** Its `ce-id`, and the `webhook-id` of its calls and replays. */
  readonly id: string;
  readonly type: string;
  readonly namespace: string;
  readonly socketId: string;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
  readonly url: string;
  readonly attempts: number;
  /** Why the last attempt failed: a row of the table of failures. */
  readonly code: FailureCode;
  readonly detail?: string | undefined;
  /** Its body, with its bytes as they were. */
  readonly data: unknown;
}

/** The last events that no function took, the oldest first. */
export interface DeadLetters {
  add(letter: Undelivered): void;
  get(id: string): Undelivered | undefined;
  remove(id: string): void;
  /** All ids, the oldest first. */
  ids(): string[];
  /** At most `limit`, those after the id `after`. */
  list(page: { readonly limit: number; readonly after?: string | undefined }): {
    readonly items: DeadLetter[];
    readonly next?: string;
  };
  readonly samples: { held: number; bytes: number; added: number; dropped: number };
}

/** What a letter costs besides its body. */
const LETTER_BYTES = 512;

/**
 * Returns an empty list; over `max` letters or `bytesMax` bytes the oldest is dropped and counted.
 */
export function createDeadLetters(max: number, bytesMax: number): DeadLetters {
  const letters = new Map<string, { readonly letter: Undelivered; readonly leave: () => void }>();
  // The oldest is taken out of a line: a map looks past every letter that has left it.
  const line = createLine<Undelivered>();
  const samples = { held: 0, bytes: 0, added: 0, dropped: 0 };

  function remove(id: string): boolean {
    const held = letters.get(id);
    if (!held) return false;
    letters.delete(id);
    held.leave();
    samples.held--;
    samples.bytes -= sizeOf(held.letter);
    return true;
  }

  return {
    add(letter) {
      remove(letter.event.id);
      letters.set(letter.event.id, { letter, leave: line.push(letter) });
      samples.added++;
      samples.held++;
      samples.bytes += sizeOf(letter);
      while (samples.held > max || samples.bytes > bytesMax) {
        const oldest = line.shift();
        if (!oldest) return;
        remove(oldest.event.id);
        samples.dropped++;
      }
    },
    get: (id) => letters.get(id)?.letter,
    remove: (id) => void remove(id),
    ids: () => [...line.values()].map(({ event }) => event.id),
    list({ limit, after }) {
      const all = [...line.values()];
      const from = after === undefined ? 0 : all.findIndex(({ event }) => event.id === after) + 1;
      const items = all.slice(from, from + limit).map(show);
      const last = items[items.length - 1];
      return { items, ...(last && from + limit < all.length && { next: last.id }) };
    },
    samples,
  };
}

function sizeOf({ event }: Undelivered): number {
  return LETTER_BYTES + Buffer.byteLength(event.data);
}

function show({ event, route, attempts, code, detail }: Undelivered): DeadLetter {
  return {
    id: event.id,
    type: event.kind,
    namespace: event.namespace,
    socketId: event.socketId,
    at: event.at,
    url: route.url,
    attempts,
    code,
    ...(detail !== undefined && { detail }),
    data: fromTaggedJson(JSON.parse(event.data)),
  };
}
