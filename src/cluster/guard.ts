import type { Settings } from "../core/settings.ts";
import type { StreamsInside } from "../seam/cluster-adapters.ts";
import { isBusMessage, withoutUnfit } from "./messages.ts";
import { createOnce } from "./once.ts";
import type { Position } from "./position.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What the bus counts, as plain numbers. */
export interface BusSamples {
  readonly messages: { in: number; out: number };
  readonly bytes: { in: number; out: number };
  /** Messages from the bus that were not believed. */
  readonly refused: { size: number; shape: number; signature: number; replay: number };
  /** Messages for other nodes that were not sent, because Redis was away. */
  missed: number;
  /** Times messages of other nodes were gone before this node had read them. */
  gaps: number;
  errors: number;
  /** Requests that not all other nodes answered in time. */
  timeouts: number;
  reconnects: number;
  /** 1 while Redis answers. */
  here: 0 | 1;
}

/** What guarding messages needs. */
export interface GuardNeeds {
  readonly settings: Settings["cluster"];
  readonly link: RedisLink;
  readonly seal: Seal;
  readonly samples: BusSamples;
  readonly position: Position;
  /** Told of a message of the stream that had come before. */
  replayed(id: string): void;
  /** Told how old a message from the bus was, in seconds, by Redis' clock and ours. */
  lagged(seconds: number): void;
}

/** What a message passes in an adapter. The classic adapter has none of it. */
type Guarded = Partial<StreamsInside>;

/**
 * Guards what an adapter says to the bus and hears of it: while Redis is away, broadcasts reach
 * this node's own sockets at once and are counted as missed; messages are checked for size, shape
 * and, with a key, signature before they are acted on.
 *
 * What is signed says whose it is, for which namespace, for whom if it is an answer, and which of
 * its publisher's messages: it is believed in its place, and once. It also says up to where of the
 * stream its publisher had read: a node that hears of a publisher for the first time believes
 * nothing old.
 */
export function guardMessages(adapter: Guarded, needs: GuardNeeds): void {
  const { settings, link, seal, samples, position, lagged, replayed } = needs;
  const byStream = settings.adapter === "streams";
  const { publishAndReturnOffset, encode, onRawMessage, onMessage } = adapter;
  const { doPublish, doPublishResponse, onResponse } = adapter;
  let said = 0;
  const once = createOnce();
  const stamp = () => ({ n: String(++said), ...(seal.hasKey && { at: position.here() }) });
  const sign = (message: object) => (seal.hasKey ? seal.sign({ ...message, ...stamp() }) : message);

  /** Why a message by PUB/SUB is not believed. */
  function doubt(adapter: Guarded, message: Signed): keyof BusSamples["refused"] | undefined {
    if (!seal.hasKey) return undefined;
    const { uid, n, at, to, type } = message;
    const isAnswer = ANSWERS.has(type);
    if (!seal.isSigned(message) || to !== (isAnswer ? adapter.uid : undefined)) return "signature";
    return once.isFirst(`${uid} ${isAnswer ? "answers" : "asks"}`, Number(n), position.isRecent(at))
      ? undefined
      : "replay";
  }
  if (publishAndReturnOffset) {
    adapter.publishAndReturnOffset = async function (this: Guarded, message) {
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
    adapter.encode = function (this: Guarded, message) {
      const plain: Record<string, string> = encode.call(this, message);
      const raw = seal.sign<Record<string, string>>({ ...plain, ...stamp() });
      samples.bytes.out += raw.data?.length ?? 0;
      return raw;
    };
  }
  if (doPublish) {
    // Streams are signed in `encode`; what goes by PUB/SUB is signed as a whole.
    adapter.doPublish = function (this: Guarded, message) {
      return doPublish.call(this, byStream && !isEphemeral(message) ? message : sign(message));
    };
  }
  if (doPublishResponse) {
    adapter.doPublishResponse = async function (this: Guarded, requester, response) {
      // What cannot be said throws at once, where nothing could catch it.
      const say = async (it: object) =>
        doPublishResponse.call(this, requester, sign(seal.hasKey ? { ...it, to: requester } : it));
      try {
        await say(response);
      } catch (error) {
        samples.errors++;
        const other = withoutUnfit(response);
        if (!other) throw error;
        await say(other);
      }
    };
  }
  let believed: unknown;
  if (onRawMessage && !byStream) {
    adapter.onRawMessage = function (this: Guarded, raw, channel) {
      if (!Buffer.isBuffer(raw)) return refuse("shape");
      samples.bytes.in += raw.length;
      if (raw.length > settings.messageBytesMax) return refuse("size");
      onRawMessage.call(this, raw, channel);
    };
  }
  if (onResponse && !byStream) {
    adapter.onResponse = function (this: Guarded, response) {
      if (!isBusMessage(response)) return refuse("shape");
      const why = doubt(this, response as Signed);
      if (why) return refuse(why);
      onResponse.call(this, response);
    };
  }
  if (onRawMessage && byStream) {
    adapter.onRawMessage = function (this: Guarded, raw, offset) {
      if (!isRaw(raw)) return refuse("shape");
      samples.messages.in++;
      samples.bytes.in += raw.data?.length ?? 0;
      const sentAt = Number(offset.split("-")[0]);
      lagged(Math.max(0, Date.now() - sentAt) / 1000);
      if ((raw.data?.length ?? 0) > settings.messageBytesMax) return refuse("size");
      if (!seal.isSigned(raw)) return refuse("signature");
      const recent = seal.hasKey && position.isRecent(raw.at, offset);
      if (seal.hasKey && !once.isFirst(`${raw.uid} stream`, Number(raw.n), recent)) {
        replayed(offset);
        return refuse("replay");
      }
      // What was signed as text needs no signature as an object.
      believed = raw;
      try {
        onRawMessage.call(this, raw, offset);
      } finally {
        believed = undefined;
      }
    };
  }
  if (onMessage) {
    adapter.onMessage = function (this: Guarded, message, offset) {
      if (!isBusMessage(message)) return refuse("shape");
      if (believed === undefined) {
        samples.messages.in++;
        const why = doubt(this, message as Signed);
        if (why) return refuse(why);
      }
      onMessage.call(this, message, offset);
    };
  }

  function refuse(why: keyof BusSamples["refused"]): void {
    samples.refused[why]++;
  }
}

/** What a message by PUB/SUB that has its shape says of itself. */
interface Signed {
  readonly type: number;
  readonly uid?: string;
  readonly n?: unknown;
  readonly at?: unknown;
  readonly to?: unknown;
}

/** Types that go to one node alone, which has asked. */
const ANSWERS = new Set([8, 10, 11, 12]);

interface RawMessage {
  readonly uid: string;
  readonly nsp: string;
  readonly type: string;
  readonly data?: string;
  readonly n?: string;
  readonly at?: string;
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
