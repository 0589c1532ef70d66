import { randomBytes } from "node:crypto";
import { decode } from "@msgpack/msgpack";
import type { Client } from "./connect.ts";
import type { BusSamples } from "./guard.ts";
import { isBusMessage, isRequest } from "./messages.ts";
import { createOnce, type Once } from "./once.ts";
import type { RedisLink } from "./redis.ts";
import type { Seal } from "./seal.ts";

/** What guarding the classic adapter's messages needs. */
export interface EnvelopeNeeds {
  readonly link: RedisLink;
  readonly seal: Seal;
  readonly samples: BusSamples;
  /** Largest message that is believed. */
  readonly messageBytesMax: number;
  /** A listener threw at a message. */
  threw(error: unknown): void;
}

type Listener = (...given: unknown[]) => void;

const BROADCASTS = "pmessageBuffer";
const REQUESTS = "messageBuffer";
/** Characters of a signature: SHA-256 as base64. */
const MAC_CHARS = 44;
/** Characters of who published it, and of which of theirs it is. */
const FROM_CHARS = 12;
const NUMBER_CHARS = 16;
const SEAL_CHARS = MAC_CHARS + FROM_CHARS + NUMBER_CHARS;

/**
 * Returns a client for the classic adapter, which has no members of its own where what it says and
 * hears could be guarded: its messages are counted, missed while Redis is away, signed with a key,
 * and looked at before they are believed, as those of the others.
 */
export function guardClient(client: Client, needs: EnvelopeNeeds): Client {
  const { link, samples, threw } = needs;
  const guarded = new Map<Listener, Listener>();
  const from = randomBytes(9).toString("base64url");
  let said = 0;

  async function publish(channel: string, payload: string | Buffer): Promise<void> {
    const body = Buffer.from(payload as Buffer); // either
    samples.bytes.out += body.length;
    try {
      await link.ask(() =>
        client.publish(channel, seal({ channel, body, from, n: ++said }, needs)),
      );
      samples.messages.out++;
    } catch {
      if (link.isHere()) samples.errors++;
      samples.missed++;
    }
  }

  function on(event: string, listener: Listener): unknown {
    if (event !== BROADCASTS && event !== REQUESTS) return client.on(event, listener);
    // Each namespace's listener hears all of them.
    const once = createOnce();
    const look = (...given: unknown[]) => {
      const message = given.at(-1) as Buffer; // the last of both events
      const body = open(String(given.at(-2)), message, event, { ...needs, once });
      if (!body) return;
      try {
        const result: unknown = listener(...given.slice(0, -1), body);
        if (result instanceof Promise) result.catch(threw);
      } catch (error) {
        threw(error);
      }
    };
    guarded.set(listener, look);
    return client.on(event, look);
  }

  function off(event: string, listener: Listener): unknown {
    const look = guarded.get(listener) ?? listener;
    guarded.delete(listener);
    return client.off(event, look);
  }

  const own: Record<string | symbol, unknown> = { publish, on, off };
  return new Proxy(client, {
    get: (target, name) => own[name] ?? Reflect.get(target, name),
  });
}

interface Sealed {
  readonly channel: string;
  readonly body: Buffer;
  readonly from: string;
  readonly n: number;
  readonly mac?: string;
}

function seal(message: Sealed, { seal: { sign } }: EnvelopeNeeds): Buffer {
  const { mac, from, n, body }: Sealed = sign(message);
  if (mac === undefined) return body;
  return Buffer.concat([Buffer.from(mac + from + String(n).padStart(NUMBER_CHARS, "0")), body]);
}

/** Returns what a message holds; undefined, and counted, when it is not believed. */
function open(
  channel: string,
  message: Buffer,
  event: string,
  { seal: { isSigned, hasKey }, samples, messageBytesMax, once }: EnvelopeNeeds & { once: Once },
): Buffer | undefined {
  const { refused } = samples;
  samples.messages.in++;
  samples.bytes.in += message.length;
  const head = message.toString("latin1", 0, hasKey ? SEAL_CHARS : 0);
  const body = message.subarray(head.length);
  const [mac, from] = [head.slice(0, MAC_CHARS), head.slice(MAC_CHARS, MAC_CHARS + FROM_CHARS)];
  const n = Number(head.slice(MAC_CHARS + FROM_CHARS));
  if (body.length > messageBytesMax) refused.size++;
  else if (!isSigned({ channel, body, from, n, mac })) refused.signature++;
  else if (hasKey && !once.isFirst(from, n)) refused.replay++;
  else if (!hasShape(body, event)) refused.shape++;
  else return body;
  return undefined;
}

function hasShape(body: Buffer, event: string): boolean {
  try {
    const found = body[0] === 0x7b ? JSON.parse(body.toString()) : decode(body);
    if (event === REQUESTS) return isRequest(found);
    const [uid, packet, opts] = found as unknown[];
    return isBusMessage({ uid, type: 3, data: { packet, opts } });
  } catch {
    return false;
  }
}
