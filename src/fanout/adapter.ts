import type { Move } from "../core/membership.ts";
import type { Packet } from "../core/packet.ts";
import type { EngineSocketBase } from "../seam/engine-io.ts";
import type { SocketInside as OpenSocket } from "../seam/socket-io.ts";
import type { BroadcastOptions, AdapterInside as OpenAdapter } from "../seam/socket-io-adapter.ts";
import type { Peer } from "./peer.ts";

/** A Socket.IO socket of a server that Sluice serves. */
export type SocketInside = OpenSocket<Peer & EngineSocketBase>;

/** A Socket.IO adapter, and what recovery sets on it. */
export interface AdapterInside extends OpenAdapter<SocketInside> {
  /** Called with each packet before it is delivered on this node. */
  delivering?(packet: Packet, to: BroadcastOptions): void;
  /** Called before sockets of this node join, leave or are disconnected. */
  moving?(move: Move): void;
}
