import type { Server, Socket } from "socket.io";
import { Pool } from "undici";
import type { Shape } from "./host.ts";

/** What a Socket.IO server needs to be a subject: its rooms, its echo, its broadcasts. */
export interface SocketIoSubject {
  emit(shape: Shape, body: string): void;
  connections(): number;
  onTick(run: () => void): void;
}

/** What event `e` is answered with; null when something else answers it. */
export type Answer = ((body: unknown) => unknown) | null;

/**
 * Returns an answer that asks a function over HTTP, as a handler would that knows nothing better.
 */
export function askFunction(url: string): Answer {
  const pool = new Pool(new URL(url).origin, { connections: 128 });
  const headers = { "content-type": "application/json" };
  return async (body) => {
    const call = JSON.stringify({ event: "e", args: [body], ack: true });
    const answer = await pool.request({ method: "POST", path: "/", headers, body: call });
    const { ack } = (await answer.body.json()) as { ack: unknown[] }; // bench/subjects/function.ts
    return ack[0];
  };
}

/**
 * Gives a Socket.IO server the handlers of the benchmark; they are the same for stock and ours.
 *
 * A connection joins the rooms its query names; event `e` is answered through its ack; event `s`
 * is broadcast to the room `r`, sender excluded; event `t` calls what `onTick` was given.
 */
export function serveSocketIo(io: Server, answer: Answer = (body) => body): SocketIoSubject {
  let sender: Socket | undefined;
  let onTick = () => {};
  io.on("connection", (socket) => {
    const { rooms, role } = socket.handshake.query;
    if (typeof rooms === "string" && rooms !== "") socket.join(rooms.split("."));
    if (role === "sender") sender = socket;
    if (answer)
      socket.on("e", async (body: unknown, ack: unknown) => {
        const result = answer(body);
        if (typeof ack === "function") ack(result instanceof Promise ? await result : result);
      });
    socket.on("t", () => onTick());
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
    onTick(run) {
      onTick = run;
    },
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
