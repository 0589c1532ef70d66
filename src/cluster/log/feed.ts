import { isSoon } from "../../core/within.ts";
import { readAfter } from "./after.ts";
import { createAppends } from "./appends.ts";
import { type BusSamples, type Carrier, type CarrierLog, NOWHERE, type Place } from "./carrier.ts";
import { createChannels } from "./channels.ts";
import { type Bus, EVERYONE, type EventLog, type LogListener, nodeChannel } from "./event-log.ts";
import { createHearing } from "./hearing.ts";
import { createHeartbeat, createTicks, type Ticks } from "./heartbeat.ts";
import { createOrder } from "./order.ts";
import { createOwnEntries } from "./own.ts";
import { createReader } from "./reader.ts";
import { createReadings, type Reading } from "./readings.ts";

/** What the logs of a node need. */
export interface FeedNeeds {
  readonly samples: BusSamples;
  /** Told how old an entry was when it came, in seconds, by the log's clock and ours. */
  lagged?: ((seconds: number) => void) | undefined;
  /** A listener threw. */
  threw(error: unknown): void;
  /**
   * What a log may hold that has come and may not be heard yet; beyond it is read again. Also what
   * `after` returns at most.
   */
  readonly heldBytesMax: number;
}

interface Feed<Own> extends EventLog<Own> {
  /** Whether all that was appended is in the log, and heard here. */
  isSettled(): boolean;
  /** Refuses what is not. */
  giveUp(): void;
}

/** Returns the bus over a carrier. */
export function createBus(carrier: Carrier, needs: FeedNeeds): Bus {
  const logs = new Set<Feed<never>>();
  const ticks = createTicks();
  return {
    node: carrier.node,
    open(namespace, listener) {
      const log = openFeed(carrier, { namespace, listener, ticks }, needs);
      logs.add(log);
      const close = () => {
        logs.delete(log);
        log.close();
      };
      return { ...log, close };
    },
    async settle(ms) {
      await isSoon(() => [...logs].every((log) => log.isSettled()), ms);
      for (const log of logs) log.giveUp();
    },
    async stop() {
      for (const log of logs) log.close();
      await carrier.stop();
    },
  };
}

/** Opens a log over a carrier: each part says in its own file what it does. */
function openFeed<Own>(
  carrier: Carrier,
  { namespace, listener, ticks }: { namespace: string; listener: LogListener<Own>; ticks: Ticks },
  needs: FeedNeeds,
): Feed<Own> {
  const { samples, heldBytesMax, lagged, threw } = needs;
  const own = createOwnEntries<Own>();
  const channels = createChannels<Reading>((ended) => {
    readings.forget(ended);
    log.unsubscribe(ended);
  });
  const hearing = createHearing({ carrier, listener, channels, own, samples, threw });
  const order = createOrder({
    ...{ hearing, carrier, samples, heldBytesMax, lagged },
    bound: () => readings.bound(),
    passed: own.pass,
  });
  const readings = createReadings({
    ...{ carrier, order, channels },
    collects: () => void setImmediate(reader.next),
  });
  const log: CarrierLog = carrier.open(namespace, {
    pushed: order.pushed,
    told: order.told,
    left: order.left,
    noted: (note) => reader.noted(note),
    reset: () => reader.restart(channels.prune()),
    changed(here) {
      if (here) return;
      own.refuseAll(new Error("the log is away"));
      appends.go();
      readings.letGo();
    },
  });
  const appends = createAppends({ carrier, log, order, channels, own, listener, samples });
  const reader = createReader({
    ...{ carrier, log, order, readings, samples, begun },
    ended: look,
  });
  const always = [EVERYONE, nodeChannel(carrier.node)];
  for (const channel of always) {
    channels.set(channel, {
      ...{ from: NOWHERE, after: NOWHERE, since: 0 },
      ...{ reading: undefined, lingers: false },
    });
  }
  reader.restart(channels.prune());
  const heartbeat = createHeartbeat({ carrier, log, order, reader, readings, ticks });
  let closed = false;

  /** Who was let go before, and listens, may have missed what came before the end. */
  function begun(end: Place): void {
    appends.go();
    if (readings.wereLetGo() && channels.count() > always.length) order.lose(end);
  }

  /** Asks for the end if somebody waits for a place. What is being read ends there by itself. */
  function look(): void {
    if (order.isAwaited() && readings.bound() === undefined) heartbeat.ask();
  }

  return {
    append: appends.append,
    tell: appends.tell,
    subscribe: (wanted) => (closed ? Promise.resolve() : readings.subscribe(wanted)),
    unsubscribe: channels.drop,
    hears: channels.hears,
    place: order.place,
    reached(id) {
      const reached = order.reached(id);
      look();
      return reached;
    },
    after: (id) => readAfter(log, id, { signs: carrier.signs, bytesMax: heldBytesMax }),
    nodes: log.nodes,
    isSettled: own.isEmpty,
    giveUp: () => own.refuseAll(new Error("the log did not confirm it in time")),
    close() {
      if (closed) return;
      closed = true;
      heartbeat.stop();
      channels.stop();
      readings.stop();
      appends.close();
      log.close();
    },
  };
}
