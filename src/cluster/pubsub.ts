import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Namespace } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { openClassic } from "../seam/cluster-adapters.ts";
import type { Client } from "./connect.ts";
import { withoutUnfit } from "./messages.ts";

interface Request {
  readonly type: number;
  readonly requestId: string;
  readonly opts: { readonly rooms: string[]; readonly except?: string[] };
}

/** What the classic adapter is given. */
export interface PubSubNeeds {
  readonly client: Client;
  readonly listener: Client;
  readonly key: string;
  readonly requestsTimeout: number;
  failed(): void;
}

/** The type of a request for a node's sockets. */
const FETCH = 5;

type ClassicOptions = Pick<PubSubNeeds, "key" | "requestsTimeout">;
const Classic = openClassic<Client, ClassicOptions>(RedisAdapter);

/**
 * Returns what makes classic adapters, which list the other sockets of a node when the `data` of
 * one cannot be written: Socket.IO's own leaves the question of the other node unanswered.
 */
export function createPubSub({ client, listener, failed, ...options }: PubSubNeeds) {
  class PubSub extends Classic {
    override async onrequest(channel: Buffer, message: Buffer): Promise<void> {
      try {
        await super.onrequest(channel, message);
      } catch (error) {
        const request = readFetch(message);
        if (!request) throw error;
        failed();
        const data = { sockets: await this.#list(request) };
        // It has sockets.
        const fit = withoutUnfit({ data }, JSON.stringify) as { data: typeof data };
        const response = { requestId: request.requestId, ...fit.data };
        this.publishResponse(request, JSON.stringify(response));
      }
    }

    async #list({ opts }: Request): Promise<object[]> {
      const to = { rooms: new Set(opts.rooms), except: new Set(opts.except) };
      const sockets = await Adapter.prototype.fetchSockets.call(this, to);
      return sockets.map(({ id, handshake, rooms, data }) => {
        // Socket.IO leaves it out, too.
        const { sessionStore: _, ...shown } = handshake;
        return { id, handshake: shown, rooms: [...rooms], data };
      });
    }
  }
  return (namespace: Namespace): Adapter => new PubSub(namespace, client, listener, options);
}

function readFetch(message: Buffer): Request | undefined {
  // All but broadcasts with acks are JSON, and it has been looked at before.
  if (message[0] !== 0x7b) return undefined;
  const request: Request = JSON.parse(message.toString());
  return request.type === FETCH ? request : undefined;
}
