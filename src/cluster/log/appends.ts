import { type BusSamples, type Carrier, type CarrierLog, placeOf } from "./carrier.ts";
import type { Channels } from "./channels.ts";
import { compareIds, type EntryId, type LogListener, type Reached } from "./event-log.ts";
import type { Order } from "./order.ts";
import type { OwnEntries } from "./own.ts";

/** What a node appends to a log, and tells beside it. */
export interface Appends<Own> {
  append(channels: readonly string[], body: Uint8Array, own: Own): Promise<EntryId>;
  tell(channel: string, body: Uint8Array): Promise<Reached>;
  /** The log has begun, or cannot be reached: what waits for it goes on. */
  go(): void;
  /** Refuses what was not confirmed, and what comes. */
  close(): void;
}

/** What appending needs. */
export interface AppendsNeeds<Own> {
  readonly carrier: Pick<Carrier, "node" | "isHere">;
  readonly log: CarrierLog;
  readonly order: Order;
  readonly channels: Pick<Channels<unknown>, "hears">;
  readonly own: OwnEntries<Own>;
  readonly listener: Pick<LogListener<Own>, "refused">;
  readonly samples: BusSamples;
}

/** Returns what appends to a log. */
export function createAppends<Own>(needs: AppendsNeeds<Own>): Appends<Own> {
  const { carrier, log, order, channels, own, listener, samples } = needs;
  const early: (() => void)[] = [];
  let entries = 0;
  let messages = 0;
  let closed = false;

  const isAway = () => closed || !carrier.isHere();

  /** Calls when the log has begun, or cannot: what is appended says how far this node is. */
  function whenOpen(call: () => void): void {
    if (order.isOpen() || isAway()) call();
    else early.push(call);
  }

  function send(n: number, to: readonly string[], body: Uint8Array): void {
    log.append({ n, at: order.newest(), channels: to, body }).then(
      (id) => {
        samples.messages.out++;
        samples.bytes.out += body.length;
        order.know(placeOf({ id, from: carrier.node, n }));
        own.confirm(n, id, compareIds(id, order.place()) > 0 && channels.hears(to));
      },
      (error: Error) => {
        if (own.refuse(n, error) && carrier.isHere()) samples.errors++;
      },
    );
  }

  function go(): void {
    for (const call of early.splice(0)) call();
  }

  return {
    append: (to, body, mine) =>
      new Promise((resolve, rejectIt) => {
        const reject = (error: Error) => {
          listener.refused?.(mine);
          rejectIt(error);
        };
        if (isAway()) return reject(new Error("the log is away"));
        const n = ++entries;
        own.add(n, { own: mine, resolve, reject });
        whenOpen(() => own.has(n) && send(n, to, body));
      }),
    tell: (channel, body) =>
      new Promise((resolve, reject) => {
        const channels = [channel];
        whenOpen(() => {
          const draft = { n: ++messages, at: order.newest(), channels, body };
          log.tell(draft).then(resolve, reject);
        });
      }),
    go,
    close() {
      closed = true;
      own.refuseAll(new Error("the log is closed"));
      go();
    },
  };
}
