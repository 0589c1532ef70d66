import type { Server } from "socket.io";
import type { Peer, Topics } from "./peer.ts";

/** What fan-out counts. */
export interface FanoutSamples {
  readonly broadcasts: Readonly<Record<string, number>>;
  readonly deliveries: number;
}

/** Native local delivery for the adapters of the servers it knows. */
export interface Fanout {
  register(server: Server): void;
  moved(peer: Peer): void;
  samples(): FanoutSamples;
  detach(): void;
}

/** Returns a fan-out that leaves delivery to the stock adapters. */
export function createFanout(_settings: { bufferBytesMax: number }, _topics: Topics): Fanout {
  return {
    register() {},
    moved() {},
    samples: () => ({ broadcasts: {}, deliveries: 0 }),
    detach() {},
  };
}
