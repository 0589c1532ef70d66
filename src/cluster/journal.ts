import type { Journal, JournalReader, LaneHead, Place } from "../core/journal.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { within } from "../core/within.ts";
import { type Adoption, createAdoption } from "./adoption.ts";
import { type JournalSettings, KEPT_MS, nameKeys } from "./journal-keys.ts";
import { createPacker } from "./journal-pack.ts";
import { ELSEWHERE, KEEP } from "./journal-scripts.ts";
import { createWriter } from "./journal-writer.ts";
import type { Lease } from "./lease.ts";
import { createLetters } from "./letters.ts";
import { runScript } from "./log/calls.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What the journal of a node needs. */
export interface JournalNeeds {
  readonly link: RedisLink;
  readonly lease: Lease;
  readonly seal: Seal;
  readonly log: Log;
  /** Resolves when what is known of sockets is written as it is now, or could not be. */
  written(): Promise<unknown>;
}

/** The journal of this node, kept in Redis. */
export interface RedisJournal extends Journal {
  /** Resolves when what was appended until now is written, or will not be. */
  appended(): Promise<void>;
  /** Writes what can be written, and ends. */
  stop(): Promise<void>;
}

/** Lanes that one call of the script looks for. */
const ASKED = 1000;

/**
 * Returns the journal of this node, under the name of its lease, and the journals that come with
 * the leases that it takes.
 */
export function createJournal(settings: JournalSettings, needs: JournalNeeds): RedisJournal {
  const { link, lease, seal } = needs;
  const keys = nameKeys(lease.prefix);
  const log = createThrottle(needs.log, () => performance.now());
  let adoption: Adoption | undefined;
  const refused = (what: string) =>
    log(
      "error",
      what,
      { component: "cluster" },
      `${what} in Redis is not signed with cluster.busKey`,
    );
  const writer = createWriter(settings, {
    ...{ link, lease, keys, seal, written: needs.written },
    lettersSeen: (seen) => letters.seen(seen),
    letterDropped: () => letters.dropped(),
    removed: (places) => adoption?.removed(places),
    unclaimed: (letter, place) => letters.add(letter, place),
    failed: (error) => {
      const why = error instanceof Error ? error.message : String(error);
      log("error", "write", { component: "cluster", why }, "the journal cannot be written");
    },
  });
  const letters = createLetters(settings.letters, {
    ...{ link, keys, seal, writer },
    refused: () => refused("a dead letter"),
  });

  async function keep(node: string): Promise<void> {
    const { max, bytesMax, ageMs } = settings.letters;
    const names = [...keys.of(node), ...keys.letters];
    const given = [KEPT_MS, max, bytesMax, ageMs];
    const answer = await link.ask((client) => runScript(client, KEEP, names, given));
    const [dropped, held, bytes] = answer as [number, number, number]; // as the script says
    letters.seen({ dropped, held, bytes });
  }

  function read(reader: JournalReader): void {
    const adopting = createAdoption(settings, {
      ...{ link, lease, keys, seal, writer, reader },
      refused: () => refused("a call"),
    });
    adoption = adopting;
    let before = "";
    lease.accompany({
      async renewed(node) {
        writer.wake();
        await keep(node).catch(() => {}); // Redis is away, or full: the next time
      },
      async taken(node) {
        if (node === before) return;
        before = node;
        writer.taken(node);
        adopting.end();
        reader.taken();
      },
      adopt: adopting.adopt,
    });
  }

  async function elsewhere(heads: readonly LaneHead[]): Promise<boolean[]> {
    const names = [keys.alive, keys.owners];
    const found: boolean[] = [];
    for (let at = 0; at < heads.length; at += ASKED) {
      const packer = createPacker();
      for (const head of heads.slice(at, at + ASKED)) packer.ask(head, lease.node);
      const given = [keys.prefix, packer.pack()];
      const answer = await link.ask((client) => runScript(client, ELSEWHERE, names, given));
      for (const each of answer as number[]) found.push(each > 0);
    }
    return found;
  }

  // The last of them: those before it are settled by then.
  let last: Promise<unknown> = Promise.resolve();

  return {
    append(entry) {
      const appended = writer.append(entry);
      last = appended;
      return appended;
    },
    appended: () => last.then(() => {}),
    remove: (place: Place) => writer.remove(place),
    changed: writer.changed,
    isOwn: lease.isHeld,
    whenOwn: lease.whenHeld,
    elsewhere,
    read,
    letters,
    samples() {
      const { entries, bytes, unconfirmed } = writer.samples;
      return { entries, bytes, unconfirmed, adopted: adoption?.samples.adopted ?? 0 };
    },
    flushed: writer.flushed,
    async stop() {
      await within(writer.flushed(), settings.timeoutMs, () => {});
      adoption?.end();
      writer.stop();
    },
  };
}
