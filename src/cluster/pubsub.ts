import { promisify } from "node:util";
import { decode } from "@msgpack/msgpack";
import { Cluster } from "ioredis";
import type { Namespace } from "socket.io";
import { Adapter, type BroadcastOptions } from "socket.io-adapter";
import type { Settings } from "../core/settings-shape.ts";
import { replaceUnsendable } from "../core/value.ts";
import { checkClassic, openClassic } from "../seam/redis-adapter.ts";
import type { Client } from "./connect.ts";
import type { BusSamples } from "./log/carrier.ts";
import { isEvent, isObject, isRoomList, OWN_EVENTS } from "./messages.ts";
import type { RedisLink } from "./redis.ts";

/** What the classic adapters of a node need. */
export interface PubSubNeeds {
  readonly settings: Settings["cluster"];
  readonly link: RedisLink;
  readonly samples: BusSamples;
  /** What was heard, or came of it here, failed. */
  failed(error: unknown): void;
  /** This namespace did not hear the other nodes for a while. */
  lost(namespace: Namespace): void;
}

interface FetchRequest {
  readonly type: typeof FETCH;
  readonly requestId: string;
  readonly opts: { readonly rooms: string[]; readonly except?: string[] };
}

/** The type of a request for a node's sockets. */
const FETCH = 5;
/** With this JSON begins; all else is msgpack. */
const BRACE = 0x7b;

/**
 * Returns the class of Socket.IO's classic Redis adapter, which Socket.IO servers and emitters that
 * are not Sluice's speak as well. It recovers no sessions and signs nothing. What is published
 * while Redis is away is counted as missed, what is heard is checked first, and requests are
 * bounded.
 */
export function createPubSub(needs: PubSubNeeds): typeof Adapter {
  const { settings, link, samples, failed } = needs;
  const { prefix: key, requestTimeoutMs: requestsTimeout, requestsMax } = settings;
  const client = calm(link.client, failed, (channel, message) => publish(channel, message));
  const subscriber = link.patient();
  const listener = calm(subscriber, failed);
  const adapters = new Set<Adapter>();
  watchOutages(subscriber, () => {
    samples.gaps++;
    for (const { nsp } of adapters) needs.lost(nsp);
  });

  async function publish(channel: string, message: string | Buffer): Promise<void> {
    samples.bytes.out += message.length;
    try {
      await link.ask((each) => each.publish(channel, message));
      samples.messages.out++;
    } catch {
      if (link.isHere()) samples.errors++;
      samples.missed++;
    }
  }

  /** Reads a message; undefined, and counted, when no node has said it. */
  function open(message: Buffer, hasShape: (found: unknown) => boolean): unknown {
    samples.messages.in++;
    samples.bytes.in += message.length;
    if (message.length > settings.messageBytesMax) samples.refused.size++;
    else {
      try {
        const found = message[0] === BRACE ? JSON.parse(message.toString()) : decode(message);
        if (hasShape(found)) return found;
      } catch {}
      samples.refused.shape++;
    }
    return undefined;
  }

  class PubSub extends openClassic() {
    #open = 0;

    constructor(namespace: Namespace) {
      super(namespace, client, listener, { key, requestsTimeout });
      checkClassic(this);
      adapters.add(this);
    }

    override close(): void {
      adapters.delete(this);
      super.close();
    }

    override onmessage(pattern: unknown, channel: Buffer, message: Buffer): void {
      // Each namespace's adapter hears all.
      if (!channel.toString().startsWith(this.channel) || !open(message, isBroadcast)) return;
      try {
        super.onmessage(pattern, channel, message);
      } catch (error) {
        failed(error);
      }
    }

    override async onrequest(channel: Buffer, message: Buffer): Promise<void> {
      const name = channel.toString();
      const own = [this.requestChannel, this.responseChannel];
      if (!own.some((each) => name.startsWith(each))) return;
      const request = open(message, isRequest);
      if (!request) return;
      try {
        await super.onrequest(channel, message);
      } catch (error) {
        failed(error);
        if (isFetch(request)) await this.#list(request);
      }
    }

    /** Answers without what cannot be written of a socket: the library does not answer then. */
    async #list(request: FetchRequest): Promise<void> {
      const { opts, requestId } = request;
      const to = { rooms: new Set(opts.rooms), except: new Set(opts.except) };
      const found = await Adapter.prototype.fetchSockets.call(this, to);
      const sockets = found.map(({ id, handshake, rooms, data }) => {
        const { sessionStore: _, ...shown } = handshake; // as the library does
        return replaceUnsendable({ id, handshake: shown, rooms: [...rooms], data }, JSON.stringify);
      });
      this.publishResponse(request, JSON.stringify({ requestId, sockets }));
    }

    override serverCount(): Promise<number> {
      return super.serverCount().catch(() => Number.POSITIVE_INFINITY);
    }

    override async fetchSockets(to: BroadcastOptions) {
      if (to.flags?.local) return super.fetchSockets(to);
      return this.#bounded(() => super.fetchSockets(to));
    }

    override serverSideEmit(packet: unknown[]): void {
      const ack = packet.at(-1);
      if (typeof ack !== "function") {
        super.serverSideEmit(packet);
        return;
      }
      const ask = promisify((done: (error: unknown, answers: unknown[]) => void) =>
        super.serverSideEmit([...packet.slice(0, -1), done]),
      );
      this.#bounded(ask).then(
        (answers) => ack(null, answers),
        (error) => ack(error, []),
      );
    }

    async #bounded<T>(ask: () => Promise<T>): Promise<T> {
      if (!link.isHere()) throw new Error("Redis is away");
      if (this.#open >= requestsMax) {
        throw new Error("cluster.requestsMax requests are open already");
      }
      this.#open++;
      try {
        return await ask();
      } catch (error) {
        samples.timeouts++; // the only error the library makes
        throw error;
      } finally {
        this.#open--;
      }
    }
  }
  return PubSub as unknown as typeof Adapter; // it extends it
}

/**
 * Returns a client as the library is given it, which leaves promises alone whose failure would end
 * the process.
 */
function calm(
  client: Client,
  failed: (error: unknown) => void,
  publish?: (channel: string, message: string | Buffer) => unknown,
): Client {
  return new Proxy(client, {
    get(target, name) {
      if (name === "publish" && publish) return publish;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(target, given);
        // Who asked gets the failure, too.
        if (result instanceof Promise) result.catch(failed);
        return result;
      };
    },
  });
}

/**
 * Calls `lost` when a client listens again after a loss of its connection: Redis keeps nothing that
 * was published on a channel meanwhile. A Redis Cluster's client does not say when that was.
 */
function watchOutages(client: Client, lost: () => void): void {
  if (client instanceof Cluster) return;
  let times = 0;
  client.on("ready", () => {
    const time = ++times;
    if (time === 1) return;
    // Answered after the subscriptions, which were asked for on the same connection before.
    const say = () => time === times && lost();
    client.ping().then(say, () => {});
  });
}

function isBroadcast(found: unknown): boolean {
  if (!Array.isArray(found)) return false;
  const [uid, packet, opts] = found;
  if (typeof uid !== "string" || !isObject(packet) || !isAddress(opts)) return false;
  return packet.type === 2 && isEvent(packet.data);
}

function isRequest(found: unknown): boolean {
  if (!isObject(found)) return false;
  const { opts, data } = found;
  if (opts !== undefined && !isAddress(opts)) return false;
  return !Array.isArray(data) || !OWN_EVENTS.has(data[0]);
}

function isFetch(request: unknown): request is FetchRequest {
  return isObject(request) && request.type === FETCH && isAddress(request.opts);
}

function isAddress(opts: unknown): boolean {
  if (!isObject(opts)) return false;
  const { rooms, except } = opts;
  return isRoomList(rooms) && (except === undefined || isRoomList(except));
}
