import { FailureError } from "../core/failures.ts";
import type { Letter, LetterPage, LetterStore, Place } from "../core/journal.ts";
import { type JournalKeys, type LetterBounds, readLetter, writeLetter } from "./journal-keys.ts";
import { LETTER, LETTERS_PAGE } from "./journal-scripts.ts";
import type { LettersSeen, Writer } from "./journal-writer.ts";
import { runScript } from "./log/calls.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What the letters of all nodes need. */
export interface LettersNeeds {
  readonly link: RedisLink;
  readonly keys: JournalKeys;
  readonly seal: Seal;
  readonly writer: Writer;
  /** A letter was not signed with this node's key, and is not shown. */
  refused(): void;
}

/** The dead letters of all nodes. */
export interface Letters extends LetterStore {
  seen(seen: LettersSeen): void;
  /** One was dropped before it was written. */
  dropped(): void;
}

/** Letters that one page looks at, and their bytes. */
const LOOKS = 1000;
const PAGE_BYTES = 4_194_304;
// Below what Redis counts to.
const ID = /^\d{1,15}-\d{1,15}$/;

/** Returns the dead letters of all nodes, in Redis. Asking rejects while that is away. */
export function createLetters(bounds: LetterBounds, needs: LettersNeeds): Letters {
  const { link, keys, seal, writer } = needs;
  const samples = { held: 0, bytes: 0, added: 0, dropped: 0 };

  function seen({ dropped, held, bytes }: LettersSeen): void {
    samples.dropped += dropped;
    samples.held = held;
    samples.bytes = bytes;
  }

  async function ask<T>(command: Parameters<typeof link.ask<T>>[0]): Promise<T> {
    try {
      return await link.ask(command);
    } catch (cause) {
      throw Object.assign(new FailureError("CLUSTER_AWAY"), { cause });
    }
  }

  function read(json: unknown, mac: unknown): Letter | undefined {
    const letter = readLetter(seal, String(json), String(mac));
    if (!letter) needs.refused();
    return letter;
  }

  async function list(page: Parameters<LetterStore["list"]>[0]): Promise<LetterPage> {
    const { limit, after = "", route = "", reason = "" } = page;
    const from = ID.test(after) ? after : "0-0";
    const { max, bytesMax, ageMs } = bounds;
    const given = [max, bytesMax, ageMs, from, route, reason, limit, LOOKS, PAGE_BYTES];
    const answer = await ask((client) => runScript(client, LETTERS_PAGE, keys.letters, given));
    // As the script says.
    const [dropped, held, bytes, next, found] = answer as [
      number,
      number,
      number,
      Buffer,
      Buffer[],
    ];
    seen({ dropped, held, bytes });
    const items: Letter[] = [];
    for (let at = 0; at < found.length; at += 2) {
      const letter = read(found[at], found[at + 1]);
      if (letter) items.push(letter);
    }
    return { items, ...(next.length > 0 && { next: String(next) }) };
  }

  async function take(id: string): Promise<{ letter: Letter; place: Place } | undefined> {
    const names = keys.letters.slice(0, 2);
    const [json, mac] = (await ask((client) => runScript(client, LETTER, names, [id]))) as Buffer[];
    const letter = json && read(json, mac);
    if (letter?.id !== id) return undefined;
    const taken = await writer.take(letter);
    if (taken === "away") throw new FailureError("CLUSTER_AWAY");
    return typeof taken === "object" ? { letter, place: taken } : undefined;
  }

  return {
    add(letter: Letter, place?: Place) {
      samples.added++;
      writer.keep(letter, writeLetter(seal, letter), place);
    },
    list,
    take,
    samples,
    seen,
    dropped: () => void samples.dropped++,
  };
}
