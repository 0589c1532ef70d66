import { connect } from "socket.io-client";
import * as msgpack from "socket.io-msgpack-parser";

/** The peer's client, while it is connected. */
export interface Peer {
  disconnect(): void;
}

/**
 * Connects the client that is in the room `mixed` with each client under test: JavaScript, msgpack.
 * Resolves once it has joined. It repeats what it hears there, and calls `cut` when the server asks.
 */
export async function startPeer(url: string, token: string, cut: () => void): Promise<Peer> {
  const options = { parser: msgpack, transports: ["websocket"], forceNew: true };
  const socket = connect(url, { ...options, auth: { token } });
  socket.on("said", (payload: unknown) => socket.emit("hear", "mixed", payload));
  socket.on("cut", cut);
  for (const room of ["mixed", "runner"]) await socket.timeout(10_000).emitWithAck("join", room);
  return { disconnect: () => void socket.disconnect() };
}
