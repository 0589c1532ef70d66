import { decode } from "@msgpack/msgpack";
import type { Move } from "../core/membership.ts";
import { isBusMessage, isRoomList } from "./messages.ts";
import { createOnce, type Once } from "./once.ts";
import { compareIds, isRecent } from "./position.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";
import { isLossNote } from "./stream-place.ts";

/** A broadcast that the stream has, or what was done to sockets. */
export interface Kept {
  readonly id: string;
  /** Which adapter published it. */
  readonly uid: string;
  readonly namespace: string;
  /** Event and arguments, and the id as the offset. */
  readonly data: unknown[];
  readonly rooms: ReadonlySet<unknown>;
  readonly except: ReadonlySet<unknown>;
  readonly move: Move | undefined;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
}

/** What the end of the stream holds. */
export interface Ending {
  /** The broadcasts that can be sent again, and what was done to sockets, oldest first. */
  readonly kept: readonly Kept[];
  /** Everything up to this message was looked at. */
  readonly end: string;
}

/** Reads the end of the stream for clients that come back, once for all that come together. */
export interface Tail {
  /**
   * Returns what comes after a message, up to a moment that is not before this call; undefined when
   * the stream does not have that message any more, or says that others after it were lost.
   */
  after(from: string): Promise<Ending | undefined>;
  stop(): void;
}

/** What a tail is read with. */
export interface TailNeeds {
  readonly link: RedisLink;
  readonly stream: string;
  /** What may be held at once; the oldest messages go first. */
  readonly packetsMax: number;
  readonly bytesMax: number;
  /** Largest message that is believed. */
  readonly messageBytesMax: number;
  readonly seal: Pick<Seal, "hasKey" | "isSigned">;
  /** Whether the node has refused a message because it had come before. */
  isReplay(id: string): boolean;
}

interface Ask {
  readonly from: string;
  resolve(ending: Ending | undefined): void;
  reject(error: unknown): void;
}

/** The broadcasts after `first`, up to `last`. */
interface Held {
  first: string;
  last: string;
  bytes: number;
  kept: Kept[];
  /** Which messages have come since `first`. */
  readonly once: Once;
}

type Entry = [id: string, fields: string[]];

const PAGE = 250;
/** After every id there is. */
const END = "9999999999999999-0";
/** For how long the messages are held: clients of a node that died come within seconds. */
const HELD_MS = 5_000;
/** How much of a full hold is dropped at once, so that dropping costs little a message. */
const DROP_SHARE = 16;

/**
 * Returns the tail of a stream.
 *
 * After a node's death thousands come back with nearly the same offset. Who comes while the stream
 * is read waits for the next reading, and that begins where the one before ended: each message is
 * fetched and decoded once, not once a client.
 */
export function createTail(needs: TailNeeds): Tail {
  const { link, stream } = needs;
  let waiting: Ask[] = [];
  let reading = false;
  let held: Held | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function read(): Promise<void> {
    reading = true;
    while (waiting.length > 0) {
      const asks = waiting;
      waiting = [];
      try {
        await answer(asks);
      } catch (error) {
        for (const ask of asks) ask.reject(error);
      }
    }
    reading = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      held = undefined;
    }, HELD_MS).unref();
  }

  async function answer(asks: readonly Ask[]): Promise<void> {
    if (held && (await extend(held)) !== undefined) held = undefined;
    const { first } = held ?? {};
    const early = asks.filter(({ from }) => first === undefined || compareIds(from, first) < 0);
    await begin([...new Set(early.map(({ from }) => from))].sort(compareIds));
    for (const { from, resolve } of asks) {
      if (!held || compareIds(from, held.first) < 0) {
        resolve(undefined);
        continue;
      }
      const kept = held.kept.slice(search(held.kept, from));
      resolve({ kept: kept.filter(({ id }) => !needs.isReplay(id)), end: held.last });
    }
  }

  /** Reads anew from the oldest of these that is there: what comes after it is there as well. */
  async function begin(froms: readonly string[]): Promise<void> {
    let oldest: string | undefined;
    for (const from of froms) {
      if (oldest !== undefined && compareIds(from, oldest) < 0) continue;
      const anew: Held = { first: from, last: from, bytes: 0, kept: [], once: createOnce() };
      oldest = await extend(anew);
      if (oldest === undefined) {
        held = anew;
        return;
      }
    }
  }

  /** Reads on. When the message to begin after is gone, returns the oldest that is there. */
  async function extend(to: Held): Promise<string | undefined> {
    for (;;) {
      // With the one that was last: when it is gone, others that came after it may be gone too.
      const entries: Entry[] = await link.ask((client) =>
        client.xrange(stream, to.last, "+", "COUNT", PAGE),
      );
      const [oldest = END] = entries[0] ?? [];
      if (oldest !== to.last) return oldest;
      for (const entry of entries.slice(1)) take(to, entry);
      if (entries.length < PAGE) return undefined;
    }
  }

  function take(to: Held, [id, fields]: Entry): void {
    const before = to.last;
    to.last = id;
    if (isLossNote(fields)) Object.assign(to, { first: id, bytes: 0, kept: [] });
    const kept = readKept(id, fields, { ...needs, once: to.once, before });
    if (!kept) return;
    to.bytes += kept.bytes;
    to.kept.push(kept);
    if (to.bytes <= needs.bytesMax && to.kept.length <= needs.packetsMax) return;
    const dropped = to.kept.splice(0, Math.ceil(to.kept.length / DROP_SHARE));
    for (const each of dropped) {
      to.first = each.id;
      to.bytes -= each.bytes;
    }
  }

  return {
    after(from) {
      return new Promise((resolve, reject) => {
        waiting.push({ from, resolve, reject });
        if (!reading) void read();
      });
    },
    stop() {
      clearTimeout(timer);
      held = undefined;
    },
  };
}

interface Message {
  readonly data: {
    readonly packet?: { readonly id?: unknown; readonly data: unknown[] };
    readonly rooms?: unknown;
    readonly opts: {
      readonly rooms: unknown[];
      readonly except?: unknown[];
      readonly flags?: { readonly volatile?: unknown };
    };
  };
}

const BROADCAST = "3";
const MOVES: Readonly<Partial<Record<string, Move["do"]>>> = {
  4: "join",
  5: "leave",
  6: "disconnect",
};

/**
 * Returns what a message is here, unless it is sent once or never: volatile, or to be acknowledged.
 */
function readKept(
  id: string,
  fields: readonly string[],
  { messageBytesMax, seal, once, before }: TailNeeds & { once: Once; before: string },
): Kept | undefined {
  const raw: Record<string, string> = {};
  for (let at = 0; at < fields.length; at += 2) raw[fields[at] ?? ""] = fields[at + 1] ?? "";
  const { uid = "", nsp = "", type = "", data = "" } = raw;
  const move = Object.hasOwn(MOVES, type) ? MOVES[type] : undefined;
  if ((type !== BROADCAST && !move) || data.length > messageBytesMax) return undefined;
  if (!seal.isSigned(raw)) return undefined;
  if (seal.hasKey && !once.isFirst(uid, Number(raw.n), isRecent(raw.at, before))) return undefined;
  let message: unknown;
  try {
    message = { uid, type: Number(type), data: readData(data) };
  } catch {
    return undefined;
  }
  if (!isBusMessage(message)) return undefined;
  const { packet, opts, rooms: moved } = (message as Message).data; // just checked
  const to = { rooms: new Set(opts.rooms), except: new Set(opts.except) };
  const kept = { id, uid, namespace: nsp, ...to, bytes: data.length + 64 };
  if (move) {
    const rooms = isRoomList(moved) ? moved : [];
    return { ...kept, data: [], move: { do: move, to, rooms } };
  }
  if (!packet || packet.id !== undefined || opts.flags?.volatile !== undefined) return undefined;
  packet.data.push(id);
  return { ...kept, data: packet.data, move: undefined };
}

/** What the streams adapter writes: JSON, or msgpack where there are bytes. */
function readData(data: string): unknown {
  return data.startsWith("{") ? JSON.parse(data) : decode(Buffer.from(data, "base64"));
}

/** Returns where the first broadcast after a message is. */
function search(kept: readonly Kept[], from: string): number {
  let low = 0;
  let high = kept.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareIds((kept[middle] as Kept).id, from) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
