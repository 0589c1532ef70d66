import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { chooseAdapter, streamName } from "./adapters.ts";
import { isBusMessage } from "./messages.ts";
import { openRedis, type RedisLink } from "./redis.ts";
import { guardRequests } from "./requests.ts";
import { createSeal } from "./seal.ts";

/** What the bus counts, as plain numbers. */
export interface BusSamples {
  readonly messages: { in: number; out: number };
  readonly bytes: { in: number; out: number };
  /** Messages from the bus that were not believed. */
  readonly refused: { size: number; shape: number; signature: number };
  /** Messages for other nodes that were not sent, because Redis was away. */
  missed: number;
  errors: number;
  /** Requests that not all other nodes answered in time. */
  timeouts: number;
  reconnects: number;
  /** 1 while Redis answers. */
  here: 0 | 1;
}

/** What a bus needs of the rooms around it. */
export interface BusNeeds {
  readonly log: Log;
  /** Told how old a message from the bus was, in seconds, by Redis' clock and ours. */
  lagged(seconds: number): void;
  /** Makes an adapter's sessions safe to restore. */
  watch(adapter: Adapter): void;
}

/** The connection between the nodes of a cluster. */
export interface Bus {
  readonly link: RedisLink;
  /** For the `adapter` option of a Socket.IO server. */
  readonly adapter: new (
    namespace: Namespace,
  ) => Adapter;
  /** Resolves when Redis answered; rejects with one sentence after `withinMs`, if that is given. */
  arrive(withinMs: number | undefined): Promise<void>;
  samples(): BusSamples;
  stop(): Promise<void>;
}

/** The members of socket.io-adapter's `ClusterAdapter` and its heirs that the bus guards. */
interface Inside {
  publishAndReturnOffset?(message: object): Promise<string>;
  doPublish?(message: object): Promise<string>;
  doPublishResponse?(requester: string, response: object): Promise<void>;
  encode?(message: object): Record<string, string>;
  onRawMessage?(raw: unknown, offset: string): void;
  onResponse?(response: unknown): void;
  onMessage?(message: unknown, offset?: string): void;
}

/**
 * Connects the node to the others through Redis and Socket.IO's own adapter.
 *
 * While Redis is away, broadcasts reach this node's own sockets at once and the others' are counted
 * as missed: nothing is queued. Messages from the bus are checked for size, shape and, with a key,
 * signature before they are acted on.
 */
export function openBus(settings: Settings["cluster"], needs: BusNeeds): Bus {
  const samples: BusSamples = {
    messages: { in: 0, out: 0 },
    bytes: { in: 0, out: 0 },
    refused: { size: 0, shape: 0, signature: 0 },
    missed: 0,
    errors: 0,
    timeouts: 0,
    reconnects: 0,
    here: 0,
  };
  const link = openRedis(settings, {
    changed(here, why) {
      samples.here = here ? 1 : 0;
      const gap = here ? samples.missed - missedBefore : 0;
      missedBefore = samples.missed;
      const fields = { room: "cluster", why, ...(here && { missed: gap }) };
      needs.log(here ? "info" : "warn", fields, here ? "Redis is here" : "Redis is away");
    },
    reconnected: () => samples.reconnects++,
    failed: () => samples.errors++,
  });
  let missedBefore = 0;
  const seal = createSeal(settings.busKey);
  const streamEnd =
    settings.adapter === "streams"
      ? findEnd(link, streamName(settings))
      : link.ready().then(() => "");
  const create = chooseAdapter(settings, link, { failed: () => void samples.errors++, streamEnd });

  const byStream = settings.adapter === "streams";

  function guard(adapter: Inside): void {
    const { publishAndReturnOffset, encode, onRawMessage, onMessage } = adapter;
    const { doPublish, doPublishResponse, onResponse } = adapter;
    if (publishAndReturnOffset) {
      adapter.publishAndReturnOffset = async function (this: Inside, message) {
        // By the same way whether Redis is here or not, or what comes after an outage would pass
        // what went before it.
        try {
          const offset = await link.ask(() => publishAndReturnOffset.call(this, message));
          samples.messages.out++;
          return offset;
        } catch {
          if (link.isHere()) samples.errors++;
        }
        samples.missed++;
        // An offset that no store has: whoever returns with it is told that it was not recovered.
        return "";
      };
    }
    if (byStream && encode) {
      adapter.encode = function (this: Inside, message) {
        const raw = seal.sign(encode.call(this, message));
        samples.bytes.out += raw.data?.length ?? 0;
        return raw;
      };
    }
    if (doPublish) {
      // Streams are signed in `encode`; what goes by PUB/SUB is signed as a whole.
      adapter.doPublish = function (this: Inside, message) {
        return doPublish.call(
          this,
          byStream && !isEphemeral(message) ? message : seal.sign(message),
        );
      };
    }
    if (doPublishResponse) {
      adapter.doPublishResponse = function (this: Inside, requester, response) {
        return doPublishResponse.call(this, requester, seal.sign(response));
      };
    }
    let believed: unknown;
    if (onRawMessage && !byStream) {
      adapter.onRawMessage = function (this: Inside, raw, channel) {
        if (!Buffer.isBuffer(raw)) return refuse("shape");
        samples.bytes.in += raw.length;
        if (raw.length > settings.messageBytesMax) return refuse("size");
        onRawMessage.call(this, raw, channel);
      };
    }
    if (onResponse && !byStream) {
      adapter.onResponse = function (this: Inside, response) {
        if (!isBusMessage(response)) return refuse("shape");
        if (!seal.isSigned(response as object)) return refuse("signature");
        onResponse.call(this, response);
      };
    }
    if (onRawMessage && byStream) {
      adapter.onRawMessage = function (this: Inside, raw, offset) {
        if (!isRaw(raw)) return refuse("shape");
        samples.messages.in++;
        samples.bytes.in += raw.data?.length ?? 0;
        const sentAt = Number(offset.split("-")[0]);
        needs.lagged(Math.max(0, Date.now() - sentAt) / 1000);
        if ((raw.data?.length ?? 0) > settings.messageBytesMax) return refuse("size");
        if (!seal.isSigned(raw)) return refuse("signature");
        // What was signed as text needs no signature as an object.
        believed = raw;
        onRawMessage.call(this, raw, offset);
        believed = undefined;
      };
    }
    if (onMessage) {
      adapter.onMessage = function (this: Inside, message, offset) {
        if (!isBusMessage(message)) return refuse("shape");
        if (believed === undefined) {
          samples.messages.in++;
          if (!seal.isSigned(message as object)) return refuse("signature");
        }
        onMessage.call(this, message, offset);
      };
    }
  }

  function refuse(why: keyof BusSamples["refused"]): void {
    samples.refused[why]++;
  }

  // Socket.IO calls `new` on what it is given, and takes the object that comes back.
  function BusAdapter(namespace: Namespace): Adapter {
    const adapter = create(namespace);
    guardRequests(adapter as object, settings, () => samples.timeouts++);
    guard(adapter as unknown as Inside); // of its members only those that are there are touched
    if (byStream) needs.watch(adapter);
    return adapter;
  }
  return {
    link,
    adapter: BusAdapter as unknown as new (namespace: Namespace) => Adapter, // see above
    async arrive(withinMs) {
      if (withinMs === undefined) return streamEnd.then(() => {});
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        const text = `cluster.redisUrl: Redis did not answer within ${withinMs} ms; set cluster.startup to wait to start without it`;
        timer = setTimeout(() => reject(new Error(text)), withinMs);
      });
      await Promise.race([streamEnd, late]).finally(() => clearTimeout(timer));
    },
    samples: () => samples,
    stop: () => link.stop(),
  };
}

/** Returns the id of the stream's last message, as soon as Redis tells. */
async function findEnd(link: RedisLink, stream: string): Promise<string> {
  for (;;) {
    await link.ready();
    try {
      const [newest] = await link.ask((client) => client.xrevrange(stream, "+", "-", "COUNT", 1));
      return newest?.[0] ?? "0-0";
    } catch {
      // Away again: the next answer will tell. Not at once, lest a Redis that refuses be flooded.
      await new Promise((resolve) => setTimeout(resolve, 100).unref());
    }
  }
}

interface RawMessage {
  readonly uid: string;
  readonly nsp: string;
  readonly type: string;
  readonly data?: string;
}

function isRaw(raw: unknown): raw is RawMessage {
  if (typeof raw !== "object" || raw === null) return false;
  const { uid, nsp, type, data } = raw as Partial<Record<string, unknown>>;
  if (data !== undefined && typeof data !== "string") return false;
  return [uid, nsp, type].every((field) => typeof field === "string");
}

/** Whether the streams adapter sends a message by PUB/SUB: broadcasts with acks, and requests. */
function isEphemeral(message: object): boolean {
  const { type, data } = message as { type: number; data?: { requestId?: string } };
  return (type === 3 && data?.requestId !== undefined) || type === 7 || type === 9;
}
