import {
  BEGIN,
  type BusSamples,
  type Carrier,
  type CarrierLog,
  type Page,
  type Place,
  placeAt,
} from "./carrier.ts";
import { compareIds, type EntryId } from "./event-log.ts";
import type { Order } from "./order.ts";
import { oldest, type Reading, type Readings } from "./readings.ts";
import { msOf } from "./trust.ts";

/** Reads what must be read, and goes on behind what is lost. */
export interface Reader {
  /** Reads what was collected, unless something is being read. */
  next(): void;
  /** Subscribes to channels anew, and reads on where everything had come. */
  restart(channels: readonly string[]): void;
  /** Another node found entries gone. */
  noted(note: EntryId): void;
  /** Entries are gone: goes on behind a place. */
  lose(at: Place): void;
}

/** What reading a log needs. */
export interface ReaderNeeds {
  readonly carrier: Pick<Carrier, "isHere">;
  readonly log: CarrierLog;
  readonly order: Order;
  readonly readings: Readings;
  readonly samples: BusSamples;
  /** The log has begun, at its end. */
  begun(end: Place): void;
  /** Nothing is to be read any more. */
  ended(): void;
}

/** Nodes find out about one loss within this time, each by itself or by another's note. */
const SAME_LOSS_MS = 60_000;
/** How long a carrier that refused is left alone. */
const REFUSED_MS = 100;

/** Returns the reader of a log. */
export function createReader(needs: ReaderNeeds): Reader {
  const { carrier, log, order, readings, samples } = needs;
  let lostAt: EntryId | undefined;

  async function run(reading: Reading): Promise<void> {
    let isSubscribed = reading.channels.size === 0;
    while (reading === readings.running()) {
      try {
        // Before anything else: what is appended from here on is heard, however long that takes.
        if (reading.from === BEGIN) begin(await log.end());
        if (!isSubscribed) await log.subscribe([...reading.channels]);
        isSubscribed = true;
        const { from, since } = reading;
        const wanted = reading.isAll ? "all" : [...reading.channels];
        const page = await log.read(from, wanted, since);
        // Not if it was begun anew meanwhile.
        if (reading === readings.running() && reading.from === from) take(page, reading);
      } catch {
        if (carrier.isHere()) samples.errors++;
        await new Promise((resolve) => setTimeout(resolve, REFUSED_MS).unref());
      }
    }
  }

  /** The end of the log was found, where it is begun. */
  function begin(end: Place): void {
    if (order.isOpen()) return;
    order.begin(end);
    readings.move(end, true);
    needs.begun(end);
  }

  function take({ entries, end, lost, more, note }: Page, reading: Reading): void {
    if (lost || (note !== undefined && isNews(note))) lose(end);
    reading.from = end;
    order.read(entries, end, reading.isAll);
    if (more) {
      order.hand();
      return;
    }
    const overflow = order.takeOverflow();
    const collected = readings.collected();
    // A message may be behind what was too much, or is for who did not wait, and is to be read.
    if (!overflow && !collected?.isLetGo) order.settle(end);
    readings.end();
    if (overflow) {
      const from = oldest(overflow, collected?.from);
      void run(readings.restart(from, collected?.channels ?? []));
    }
    order.hand();
    reading.resolve();
    next();
  }

  function next(): void {
    const reading = readings.next();
    if (reading) void run(reading);
    else if (!readings.running()) needs.ended();
  }

  function isNews(note: EntryId): boolean {
    const passedMs = lostAt === undefined ? SAME_LOSS_MS : msOf(note) - msOf(lostAt);
    return passedMs < 0 || passedMs >= SAME_LOSS_MS;
  }

  function lose(at: Place): void {
    lostAt = at.id;
    readings.move(at);
    order.lose(at);
  }

  return {
    next,
    restart(channels) {
      const both = [readings.running(), readings.collected()];
      const places = [order.takeOverflow(), ...both.map((reading) => reading?.from)];
      void run(readings.restart(oldest(order.arrived(), ...places), channels));
    },
    noted(note) {
      if (!order.isOpen() || !isNews(note)) return;
      const newest = order.newest();
      lose(placeAt(compareIds(note, newest) > 0 ? note : newest));
    },
    lose,
  };
}
