import type {
  Appended,
  Journal,
  JournalEntry,
  JournalReader,
  Letter,
  Place,
} from "../../src/core/journal.ts";
import { createDeadLetters } from "../../src/upstream/dead-letters.ts";

type Written = JournalEntry & { readonly place: Place };

/** What several nodes have written down, in the place of a Redis. */
export interface MemoryJournals {
  /** Everything that is written down, the oldest first. */
  readonly entries: readonly Written[];
  /** Names of the records that were struck. */
  readonly struck: readonly string[];
  /** Opens the journal of a node. */
  open(): MemoryJournal;
}

/** The journal of one node, which a test may disturb. */
export interface MemoryJournal extends Journal {
  /** What appends resolve with, instead of being written. */
  refuses: "away" | "full" | undefined;
  /** Whether appends wait for `confirm`. */
  isHeld: boolean;
  /** Whether the lease certainly runs; set it to true by `renew`. */
  isSure: boolean;
  confirm(): void;
  renew(): void;
  /** Another node takes the lease: it adopts what is written there, and this node hears of it. */
  takenBy(other: MemoryJournal): void;
  /** Hands entries of another journal to this node's reader. */
  adopt(entries: readonly Written[]): Promise<void>;
}

/** Returns journals in which nothing is written. */
export function createMemoryJournals(): MemoryJournals {
  const written = new Map<number, Written>();
  const struck: string[] = [];
  const letters = createDeadLetters(
    { deadLettersMax: 1000, deadLetterBytesMax: 1e7, deadLetterAgeMs: 1e9 },
    Date.now,
  );
  let numbers = 0;
  let nodes = 0;

  function write(journal: string, { lane, text, strikes }: JournalEntry): Place {
    const place = { journal, number: ++numbers, lane };
    written.set(place.number, { lane, text, place });
    if (strikes !== undefined) struck.push(strikes);
    return place;
  }

  function open(): MemoryJournal {
    let name = `node-${++nodes}`;
    let reader: JournalReader | undefined;
    let waiting: (() => void)[] = [];
    let doubts: (() => void)[] = [];
    let unconfirmed = 0;
    const own = () => [...written.values()].filter(({ place }) => place.journal === name);
    const remove = ({ number }: Place) => void written.delete(number);

    const journal: MemoryJournal = {
      ...{ refuses: undefined, isHeld: false, isSure: true },
      append: (entry) =>
        new Promise<Appended>((resolve) => {
          const done = () => {
            if (journal.refuses) unconfirmed++;
            resolve(journal.refuses ?? write(name, entry));
          };
          if (journal.isHeld) waiting.push(done);
          else setImmediate(done);
        }),
      remove,
      changed() {},
      isOwn: () => journal.isSure,
      whenOwn: (call) => void (journal.isSure ? call() : doubts.push(call)),
      elsewhere: async (heads) =>
        heads.map(({ lane, journal: from = name, number = Number.POSITIVE_INFINITY }) =>
          [...written.values()].some(
            ({ place }) => place.lane === lane && place.journal !== from && place.number < number,
          ),
        ),
      read(given) {
        reader = given;
      },
      letters: {
        ...letters,
        get samples() {
          return letters.samples;
        },
        add(letter: Letter, place?: Place) {
          letters.add(letter);
          if (place) remove(place);
        },
        async take(id) {
          const taken = await letters.take(id);
          return taken && { ...taken, place: write(name, taken.letter) };
        },
      },
      samples: () => ({ entries: own().length, bytes: 0, adopted: 0, unconfirmed }),
      flushed: async () => {
        await new Promise(setImmediate);
      },
      confirm() {
        journal.isHeld = false;
        const all = waiting;
        waiting = [];
        for (const done of all) done();
      },
      renew() {
        journal.isSure = true;
        const all = doubts;
        doubts = [];
        for (const call of all) call();
      },
      takenBy(other) {
        const entries = own();
        name = `node-${++nodes}`;
        reader?.taken();
        void other.adopt(entries);
      },
      adopt: async (entries) => reader?.adopt(entries),
    };
    return journal;
  }

  return {
    get entries() {
      return [...written.values()];
    },
    struck,
    open,
  };
}
