import { Adapter } from "socket.io-adapter";

/** What the model knows of a connection: whether and when it takes a packet. */
export interface ModelConnection {
  readonly isOpen: () => boolean;
  readonly isWritable: () => boolean;
  /** What it should have received, in order. */
  readonly log: unknown[];
}

/** Who a broadcast is for. */
export interface ModelRecipients {
  readonly rooms: Set<string>;
  readonly except: Set<string>;
  readonly flags?: { readonly volatile?: boolean };
}

/**
 * One namespace as Socket.IO's own in-memory adapter serves it: the adapter is the real one, which
 * this process' attached servers don't touch, and its sockets write to a list.
 */
export interface Model {
  /** A socket is in a middleware: it may have rooms, and no broadcast reaches it. */
  join(id: string, rooms: readonly unknown[]): void;
  leave(id: string, room: unknown): void;
  connect(id: string, connection: ModelConnection): void;
  disconnect(id: string): void;
  direct(id: string, entry: unknown): void;
  /** Returns how many recipients there are. */
  broadcast(entry: unknown, to: ModelRecipients): number;
  /** Sockets with a listener for what is sent to them write it down too. */
  listen(id: string, log: unknown[]): void;
}

/** Returns a namespace in which nobody is. */
export function createModel(): Model {
  let served = 0;
  const listening = new Map<string, unknown[]>();
  const connections = new Map<string, ModelConnection>();
  const sockets = new Map<string, object>();
  const server = { encoder: { encode: (packet: { entry: unknown }) => [packet.entry] } };
  const adapter = new Adapter({ name: "/", server, sockets });

  function write(id: string, entry: unknown, volatile: boolean): boolean {
    const connection = connections.get(id);
    if (!connection?.isOpen() || (volatile && !connection.isWritable())) return false;
    connection.log.push(entry);
    return true;
  }

  return {
    join: (id, rooms) => adapter.addAll(id, new Set(rooms as string[])),
    leave: (id, room) => adapter.del(id, room as string),
    connect(id, connection) {
      connections.set(id, connection);
      sockets.set(id, {
        id,
        notifyOutgoingListeners: ({ entry }: { entry: unknown }) => listening.get(id)?.push(entry),
        client: {
          writeToEngine([entry]: [unknown], { volatile }: { volatile?: boolean }) {
            if (write(id, entry, volatile === true)) served++;
          },
        },
      });
      adapter.addAll(id, new Set([id]));
    },
    disconnect(id) {
      adapter.delAll(id);
      sockets.delete(id);
    },
    direct(id, entry) {
      if (!sockets.has(id)) return;
      listening.get(id)?.push(entry);
      write(id, entry, false);
    },
    broadcast(entry, to) {
      served = 0;
      adapter.broadcast({ entry }, to);
      return served;
    },
    listen: (id, log) => void listening.set(id, log),
  };
}
