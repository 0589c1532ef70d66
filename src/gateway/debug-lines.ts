import type { Namespace, Server, Socket } from "socket.io";
import type { Log } from "../core/log.ts";
import { connectionOf, eachNamespace } from "../seam/socket-io.ts";

/**
 * Logs every connection that opens, every socket that enters or leaves a namespace, and every room
 * that it joins or leaves. Returns a function that ends that.
 *
 * Each is one line more on the way of every client: call it at `log.level` `debug` only.
 */
export function logMembership(io: Server, log: Log): () => void {
  const opened = ({ id, transport, remoteAddress: address }: Opened) =>
    log(
      "debug",
      { component: "socket", id, transport: transport.name, address },
      "connection opened",
    );
  io.engine.on("connection", opened);
  const stop = eachNamespace(io, (namespace) => watchNamespace(namespace, log));
  return () => {
    io.engine.off("connection", opened);
    stop();
  };
}

/** The fields of engine.io's connections that are logged. */
interface Opened {
  readonly id: string;
  readonly transport: { readonly name: string };
  readonly remoteAddress: string;
}

function watchNamespace(of: Namespace, log: Log): void {
  const namespace = of.name;
  const rooms = createRoomLog(of, log);
  rooms.watch(of.adapter);
  of.on("connection", (socket: Socket) => {
    // Again, because a handler module may have given the namespace another adapter.
    rooms.watch(of.adapter);
    const fields = { component: "socket", namespace, socket: socket.id };
    const { id: connection } = connectionOf(socket);
    log("debug", { ...fields, connection, recovered: socket.recovered }, "a socket connected");
    socket.on("disconnect", (reason) => {
      log("debug", { ...fields, reason }, "a socket disconnected");
    });
  });
}

/** Logs the joins and leaves of a namespace's sockets. */
function createRoomLog({ name: namespace }: Namespace, log: Log) {
  const watched = new WeakSet<object>();
  const told =
    (text: string) =>
    (room: unknown, id: string): void => {
      if (room === id) return; // each socket is in a room with its own id
      log("debug", { component: "fanout", namespace, socket: id, room }, text);
    };
  return {
    watch(adapter: Namespace["adapter"]): void {
      if (watched.has(adapter)) return;
      watched.add(adapter);
      adapter.on("join-room", told("joined a room"));
      adapter.on("leave-room", told("left a room"));
    },
  };
}
