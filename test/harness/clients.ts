import type { Socket } from "socket.io-client";
import type { CodecName } from "../../src/core/packet.ts";
import { type ClientOptions, newClient } from "./gateway.ts";

export type { Socket } from "socket.io-client";

/** A client and every event it has received since before it connected, as `[name, ...args]`. */
export interface Watched {
  readonly socket: Socket;
  readonly seen: unknown[][];
}

/** Connects a real Socket.IO client over WebSocket; resolves once it is in its namespace. */
export async function connectClient(
  url: string,
  codec: CodecName = "json",
  more: ClientOptions = {},
): Promise<Socket> {
  return (await watchClient(url, codec, more)).socket;
}

/** The same, and collects from the very first event. */
export async function watchClient(
  url: string,
  codec: CodecName = "json",
  more: ClientOptions = {},
): Promise<Watched> {
  const socket = newClient(url, { codec, ...more });
  const seen = collect(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("connect_error", reject);
    socket.connect();
  });
  return { socket, seen };
}

/** Collects every event a client receives from now on, as `[name, ...args]`. */
export function collect(socket: Socket): unknown[][] {
  const events: unknown[][] = [];
  socket.onAny((...event: unknown[]) => void events.push(event));
  return events;
}
