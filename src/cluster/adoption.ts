import type { JournalEntry, JournalReader, Place } from "../core/journal.ts";
import { isSignedEntry, type JournalKeys, type JournalSettings, KEPT_MS } from "./journal-keys.ts";
import { PAGE } from "./journal-scripts.ts";
import type { Writer } from "./journal-writer.ts";
import type { Lease } from "./lease.ts";
import { runScript } from "./log/calls.ts";
import { pause, type RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What adopting needs. */
export interface AdoptionNeeds {
  readonly link: RedisLink;
  readonly lease: Lease;
  readonly keys: JournalKeys;
  readonly seal: Seal;
  readonly writer: Writer;
  readonly reader: JournalReader;
  /** An entry was not signed with this node's key, and is removed. */
  refused(place: Place): void;
}

/** Journals of dead nodes, handed to who delivers what is in them. */
export interface Adoption {
  /**
   * Resolves when nothing is left of a journal; rejects when it is this node's no longer. May be
   * called again meanwhile.
   */
  adopt(dead: string): Promise<void>;
  /** These are gone from Redis. */
  removed(places: readonly Place[]): void;
  /** Another node has them all now, or will. */
  end(): void;
  /** Calls that were handed on. */
  readonly samples: { adopted: number };
}

type Adopted = JournalEntry & { readonly place: Place };

/** Calls of one page, and its bytes. A journal may have a page out, whatever others have. */
const PAGE_ENTRIES = 100;
const PAGE_BYTES = 1_048_576;

interface Adopting {
  readonly dead: string;
  /** Bytes of calls that are out, by number. */
  readonly out: Map<number, number>;
  after: string;
  /** Number of the last signature. */
  n: number;
  done: Promise<void>;
  isOver: boolean;
}

/**
 * Returns who reads the journals of dead nodes, page by page and each by itself.
 *
 * Of all together no more is out than this node's own journal may hold, but a page of each: the
 * oldest call of all waits for no other, so there is always one that can go on.
 */
export function createAdoption(settings: JournalSettings, needs: AdoptionNeeds): Adoption {
  const { link, lease, keys, seal, writer, reader } = needs;
  const all = new Map<string, Adopting>();
  const total = { entries: 0, bytes: 0 };
  const samples = { adopted: 0 };
  let waiting: (() => void)[] = [];

  const change = () => new Promise<void>((resolve) => waiting.push(resolve));
  function changed(): void {
    const before = waiting;
    waiting = [];
    for (const resolve of before) resolve();
  }

  function hasRoom({ out }: Adopting): boolean {
    if (out.size === 0) return true;
    return total.entries + PAGE_ENTRIES <= settings.max && total.bytes < settings.bytesMax;
  }

  async function run(state: Adopting): Promise<void> {
    while (!state.isOver) {
      while (!hasRoom(state) && !state.isOver) await change();
      const page = await read(state);
      if (!page) continue;
      if (page.length > 0) await hand(state, page);
      else if (await isEmptied(state)) return;
    }
    throw new Error("the journal is this node's no longer");
  }

  /** Returns the next page; nothing if Redis is away, or the journal is another's. */
  async function read(state: Adopting): Promise<Adopted[] | undefined> {
    const { dead, after } = state;
    const names = [...keys.of(dead), keys.owners];
    const given = [dead, lease.node, after, PAGE_ENTRIES, PAGE_BYTES, KEPT_MS];
    try {
      const answer = await link.ask((client) => runScript(client, PAGE, names, given));
      const [isOwner, found] = answer as [number, Buffer[]]; // as the script says
      if (isOwner === 1) return readEntries(state, found);
      end(state);
    } catch {
      await link.ready();
      await pause();
    }
    return undefined;
  }

  function readEntries(state: Adopting, found: readonly Buffer[]): Adopted[] {
    const entries: Adopted[] = [];
    const texts = found.map(String);
    for (let at = 0; at < texts.length; at += 5) {
      const [id = "", lane = "", text = "", n = "", mac = ""] = texts.slice(at, at + 5);
      state.after = id;
      const place = { journal: state.dead, number: Number.parseInt(id, 10), lane };
      const isInOrder = mac === "" || Number(n) > state.n;
      if (isInOrder && isSignedEntry(seal, { journal: state.dead, n, lane, text }, mac)) {
        if (mac !== "") state.n = Number(n);
        entries.push({ lane, text, place });
      } else {
        needs.refused(place);
        writer.remove(place);
      }
    }
    return entries;
  }

  async function hand(state: Adopting, entries: readonly Adopted[]): Promise<void> {
    for (const { place, text } of entries) {
      state.out.set(place.number, text.length);
      total.entries++;
      total.bytes += text.length;
    }
    samples.adopted += entries.length;
    await reader.adopt(entries);
  }

  /** Waits until what was handed on is gone; says whether the journal is empty then. */
  async function isEmptied(state: Adopting): Promise<boolean> {
    while (state.out.size > 0 && !state.isOver) await change();
    while (writer.isRemoving(state.dead) && !state.isOver) {
      await link.ready();
      await writer.flushed();
    }
    // From the start: Redis may have lost what it had confirmed, and have calls again.
    state.after = "0-0";
    state.n = 0;
    const left = await read(state);
    if (left?.length === 0) return true;
    if (left) await hand(state, left);
    return false;
  }

  function end(state: Adopting): void {
    state.isOver = true;
    for (const bytes of state.out.values()) leave(bytes);
    state.out.clear();
    changed();
  }

  function leave(bytes: number): void {
    total.entries--;
    total.bytes -= bytes;
  }

  return {
    adopt(dead) {
      const known = all.get(dead);
      if (known) return known.done;
      const state: Adopting = {
        ...{ dead, out: new Map(), after: "0-0", n: 0 },
        ...{ done: Promise.resolve(), isOver: false },
      };
      all.set(dead, state);
      state.done = run(state).finally(() => {
        if (all.get(dead) === state) all.delete(dead);
      });
      return state.done;
    },
    removed(places) {
      for (const { journal, number } of places) {
        const state = all.get(journal);
        const bytes = state?.out.get(number);
        if (!state || bytes === undefined) continue;
        state.out.delete(number);
        leave(bytes);
      }
      changed();
    },
    end() {
      for (const state of all.values()) end(state);
      all.clear();
    },
    samples,
  };
}
