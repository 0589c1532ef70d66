import type { BusSamples, Carrier, PushedEntry, PushedMessage } from "./carrier.ts";
import type { Channels } from "./channels.ts";
import type { LogListener } from "./event-log.ts";
import type { Item } from "./held.ts";
import type { OwnEntries } from "./own.ts";
import { createReplayCheck } from "./trust.ts";

/** Hands over to a listener what comes in the order of the log. */
export interface Hearing {
  /** The next that comes; what is not for this node, or comes again, is left out. */
  hear(item: Item): void;
  lost(): void;
  /** The entry that is being heard. */
  now(): PushedEntry | undefined;
}

/** What handing over needs. */
export interface HearingNeeds<Own> {
  readonly carrier: Pick<Carrier, "node" | "signs">;
  readonly listener: LogListener<Own>;
  readonly channels: Pick<Channels<unknown>, "concerns" | "hears">;
  readonly own: OwnEntries<Own>;
  readonly samples: BusSamples;
  threw(error: unknown): void;
}

/** Returns what hands over to a listener. */
export function createHearing<Own>(needs: HearingNeeds<Own>): Hearing {
  const { carrier, listener, channels, own, samples, threw } = needs;
  const isFirst = createReplayCheck();
  const isFirstMessage = createReplayCheck();
  let now: PushedEntry | undefined;

  function hearMessage({ id, message }: Item & { readonly message: PushedMessage }): void {
    if (!channels.hears([message.channel])) return;
    if (carrier.signs && !isFirstMessage(message, id)) samples.refused.replay++;
    else listener.told(message.from, message.body);
  }

  function hearEntry(entry: PushedEntry): void {
    if (!channels.concerns(entry)) return;
    if (carrier.signs && !isFirst(entry, entry.id)) {
      samples.refused.replay++;
      return;
    }
    const mine = entry.from === carrier.node ? own.take(entry.n) : undefined;
    if (mine === false) return;
    now = entry;
    try {
      listener.heard(entry, mine?.own);
    } finally {
      now = undefined;
      mine?.resolve(entry.id);
    }
  }

  function safely(call: () => void): void {
    try {
      call();
    } catch (error) {
      threw(error);
    }
  }

  return {
    hear(item) {
      safely(() => {
        if ("entry" in item) hearEntry(item.entry);
        else if ("message" in item) hearMessage(item);
        else listener.left?.(item.left);
      });
    },
    lost: () => safely(() => listener.lost()),
    now: () => now,
  };
}
