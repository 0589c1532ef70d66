import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { within } from "../core/within.ts";
import { openAdapter } from "../seam/cluster-adapters.ts";
import { chooseAdapter, streamName } from "./adapters.ts";
import { type BusSamples, guardMessages } from "./guard.ts";
import { createPosition, type Position } from "./position.ts";
import { findEnd } from "./reader.ts";
import { openRedis, type RedisLink } from "./redis.ts";
import { guardRequests } from "./requests.ts";
import { createSeal, type Seal } from "./seal.ts";
import { shield } from "./shield.ts";

export type { BusSamples } from "./guard.ts";

/** What a bus needs of the rooms around it. */
export interface BusNeeds {
  readonly log: Log;
  /** Told how old a message from the bus was, in seconds, by Redis' clock and ours. */
  lagged(seconds: number): void;
  /** Makes an adapter of the stream recover sessions. */
  watch(adapter: Adapter): void;
}

/** The connection between the nodes of a cluster. */
export interface Bus {
  readonly link: RedisLink;
  readonly seal: Seal;
  /** How far this node has read the stream. */
  readonly position: Position;
  /** Whether a message of the stream was refused because it had come before. */
  isReplay(id: string): boolean;
  /** For the `adapter` option of a Socket.IO server. */
  readonly adapter: new (
    namespace: Namespace,
  ) => Adapter;
  /**
   * Resolves when Redis answered; rejects with one sentence after a while, or waits, by setting.
   */
  arrive(): Promise<void>;
  /**
   * Has `call` close every connection of this node: its sockets have missed messages that were
   * published. It is called before they get later ones.
   */
  whenLost(call: () => void): void;
  samples(): BusSamples;
  stop(): Promise<void>;
}

/** Before every message there is. */
const NOWHERE = { id: "0-0", mark: "", count: 0 };
const LOST_OF_STREAM = "messages are gone from the stream that this node may not have read";
const LOST_OF_CHANNEL = "this node did not hear the others for a while";

/**
 * Connects the node to the others through Redis and Socket.IO's own adapter.
 *
 * While Redis is away, broadcasts reach this node's own sockets at once and the others' are counted
 * as missed: nothing is queued.
 */
export function openBus(settings: Settings["cluster"], needs: BusNeeds): Bus {
  const { log, lagged } = needs;
  const samples = createSamples();
  let missedBefore = 0;
  const link = openRedis(settings, {
    changed(here, why) {
      samples.here = here ? 1 : 0;
      const gap = here ? samples.missed - missedBefore : 0;
      missedBefore = samples.missed;
      const fields = { room: "cluster", why, ...(here && { missed: gap }) };
      log(here ? "info" : "warn", fields, here ? "Redis is here" : "Redis is away");
    },
    reconnected: () => samples.reconnects++,
    failed: () => samples.errors++,
  });
  const seal = createSeal(settings.busKey, settings.prefix);
  const byStream = settings.adapter === "streams";
  const stream = streamName(settings);
  const position = createPosition();
  const streamEnd = byStream ? findEnd(link, stream) : link.ready().then(() => NOWHERE);
  const arrived = streamEnd.then(({ id }) => position.readTo(id));
  let closeAll = () => {};
  /** Which of the stream's messages had come before: who returns is not sent them either. */
  const replays = new Set<string>();

  function lost(): void {
    samples.gaps++;
    const { adapter, streamPacketsMax } = settings;
    const text = `${byStream ? LOST_OF_STREAM : LOST_OF_CHANNEL}: its connections are closed`;
    log("error", { room: "cluster", adapter, ...(byStream && { streamPacketsMax }) }, text);
    closeAll();
  }

  function replayed(id: string): void {
    replays.add(id);
    const [oldest] = replays;
    if (replays.size > settings.streamPacketsMax && oldest !== undefined) replays.delete(oldest);
  }

  function threw(error: unknown): void {
    samples.errors++;
    const why = error instanceof Error ? error.stack : String(error);
    log("error", { room: "cluster", why }, "what goes between nodes, or came of it here, failed");
  }

  const create = chooseAdapter(settings, link, {
    failed: () => void samples.errors++,
    ...{ seal, samples, threw },
    ...{ stream, streamEnd, position, lost },
    timeoutMs: settings.timeoutMs,
  });

  // Socket.IO calls `new` on what it is given, and takes the object that comes back.
  function BusAdapter(namespace: Namespace): Adapter {
    const adapter = create(namespace);
    const inside = openAdapter(settings.adapter, adapter);
    guardRequests(adapter as object, settings, {
      isHere: link.isHere,
      timedOut: () => void samples.timeouts++,
    });
    guardMessages(inside, { settings, link, seal, samples, position, lagged, replayed });
    if (byStream) needs.watch(adapter);
    shield(adapter as object, threw);
    return adapter;
  }
  return {
    link,
    seal,
    position,
    isReplay: (id) => replays.has(id),
    adapter: BusAdapter as unknown as new (namespace: Namespace) => Adapter, // see above
    async arrive() {
      const { timeoutMs } = settings;
      const waits = settings.startup === "wait";
      await within(arrived, timeoutMs, () => {
        const why = link.trouble();
        const text = `cluster.redisUrl: Redis did not answer within ${timeoutMs} ms${why && `: ${why}`}`;
        if (!waits) throw new Error(`${text}; set cluster.startup to wait to start without it`);
        log("warn", { room: "cluster" }, `${text}; waiting`);
        return arrived;
      });
    },
    whenLost(call) {
      closeAll = call;
    },
    samples: () => samples,
    stop: () => link.stop(),
  };
}

function createSamples(): BusSamples {
  return {
    messages: { in: 0, out: 0 },
    bytes: { in: 0, out: 0 },
    refused: { size: 0, shape: 0, signature: 0, replay: 0 },
    missed: 0,
    gaps: 0,
    errors: 0,
    timeouts: 0,
    reconnects: 0,
    here: 0,
  };
}
