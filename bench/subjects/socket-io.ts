import type { Server, Socket } from "socket.io";
import type { Shape } from "./host.ts";

/** What a Socket.IO server needs to be a subject: its rooms, its echo, its broadcasts. */
export interface SocketIoSubject {
  emit(shape: Shape, body: string): void;
  connections(): number;
}

/**
 * Gives a Socket.IO server the handlers of the benchmark; they are the same for stock and ours.
 *
 * A connection joins the rooms its query names; event `e` is answered through its ack; event `s`
 * is broadcast to the room `r`, sender excluded.
 */
export function serveSocketIo(io: Server): SocketIoSubject {
  let sender: Socket | undefined;
  io.on("connection", (socket) => {
    const { rooms, role } = socket.handshake.query;
    if (typeof rooms === "string" && rooms !== "") socket.join(rooms.split("."));
    if (role === "sender") sender = socket;
    socket.on("e", (body: unknown, ack: unknown) => {
      if (typeof ack === "function") ack(body);
    });
    socket.on("s", (body: unknown) => socket.to("r").emit("m", body));
  });
  return {
    emit(shape, body) {
      if (shape === "room") io.to("r").emit("m", body);
      else if (shape === "sender") sender?.to("r").emit("m", body);
      else if (shape === "except") io.to("r").except("x").emit("m", body);
      else if (shape === "union") io.to(["a", "b"]).emit("m", body);
      else io.emit("m", body);
    },
    connections: () => io.engine.clientsCount,
  };
}

/** Makes a subject lose every n-th broadcast, if asked to. */
export function withLoss(
  emit: SocketIoSubject["emit"],
  loseEvery: number | undefined,
): SocketIoSubject["emit"] {
  if (!loseEvery) return emit;
  let count = 0;
  return (shape, body) => {
    if (++count % loseEvery !== 0) emit(shape, body);
  };
}
