/** Makes the Socket.IO clients of Sluice's connections, which reach them without listeners. */

import type { Server } from "socket.io";
import type { EngineSocketBase } from "./engine-io.ts";
import { type ConnectionClient, requireInside, type ServerInside } from "./socket-io-inside.ts";

type WriteOptions = Parameters<ConnectionClient["writeToEngine"]>[1];

/** A connection that calls the client in its place, instead of emitting events for it. */
export interface ServingConnection extends EngineSocketBase {
  /** Where its packets, errors and its end go; undefined before, and once the client is done. */
  receiver: ConnectionClient | undefined;
}

/**
 * Binds an engine to a server as `io.bind` does, for connections that call their `receiver`: a
 * client then costs no bound functions, no listeners and no timer. Whoever owns the connections
 * closes those that join no namespace in time. Calls `dropped` for each volatile packet that
 * Socket.IO discards because a connection cannot send now.
 */
export function bindEngine(io: Server, engine: object, dropped: () => void): void {
  const { Client } = requireInside();
  class ReceivingClient extends Client {
    // No fields: the constructor of Client calls this one, before they would be set.
    override setup(): void {
      (this.conn as ServingConnection).receiver = this;
    }

    override ondata(packet: unknown): void {
      try {
        this.ondecoded(packet);
      } catch (error) {
        this.onerror(error);
      }
    }

    override writeToEngine(packets: unknown, options: WriteOptions): void {
      if (options.volatile && !this.conn.transport.writable) dropped();
      super.writeToEngine(packets, options);
    }

    override destroy(): void {
      (this.conn as ServingConnection).receiver = undefined;
    }
  }
  const inside = io as unknown as ServerInside; // checkSocketIo() has found its members
  // `bind` takes what the server has now. Engines that the application binds get Socket.IO's own.
  inside.onconnection = (conn) => {
    const client = new ReceivingClient(io, conn);
    if (conn.protocol === 3) client.connect("/");
    return io;
  };
  io.bind(engine as Parameters<Server["bind"]>[0]);
  Reflect.deleteProperty(inside, "onconnection");
}
