/**
 * Does what Socket.IO does with a packet between a connection and the listeners of its socket, in
 * fewer steps, where nobody can tell the difference.
 */

import type { Packet } from "../core/packet.ts";
import { isUnheard } from "./emitter.ts";
import type { ConnectionClient, SocketInside } from "./socket-io-inside.ts";

const CONNECT = 0;
const EVENT = 2;
const ACK = 3;
const CONNECT_ERROR = 4;

/**
 * Hands a decoded packet of a WebSocket to the socket that it is for, as the connection's event
 * `data` would. Returns false where that event is needed: somebody else listens to it, or Socket.IO
 * has more to decide than which socket gets the packet.
 *
 * Socket.IO lets a tick pass before it calls catch-all listeners and middlewares, and another one
 * before it calls the event's listeners. Where the former do not exist, there is one tick. Nothing
 * runs between the two: uWebSockets.js gives each message of a WebSocket a turn of its own.
 */
export function handPacket(client: ConnectionClient, packet: Packet): boolean {
  if (!isUnheard(client.conn, "data")) return false;
  if (packet.type === CONNECT || packet.type === CONNECT_ERROR) return false;
  const socket = client.nsps.get(packet.nsp);
  if (!socket) return false;
  if (isForListeners(socket, packet)) socket.onevent(packet);
  else process.nextTick(passOn, socket, packet);
  return true;
}

/** Whether only the event's own listeners are to be called. */
function isForListeners(socket: SocketInside, packet: Packet): boolean {
  if (packet.type !== EVENT || packet.refused !== undefined) return false;
  return socket.fns.length === 0 && socket.listenersAny().length === 0;
}

function passOn(socket: SocketInside, packet: Packet): void {
  socket._onpacket(packet);
}

/** Returns the function that acknowledges an event, once. It throws if that cannot be encoded. */
export function createAck(socket: SocketInside, id: number): (...given: unknown[]) => void {
  let sent = false;
  return (...data) => {
    if (sent) return;
    writePacket(socket, { type: ACK, nsp: socket.nsp.name, data, id });
    sent = true;
  };
}

/** Sends a packet to a socket's client, as Socket.IO does. */
function writePacket({ client }: SocketInside, packet: Packet): void {
  const { conn, encoder } = client;
  if (conn.readyState !== "open") return;
  for (const frames of encoder.encode(packet)) conn.write(frames);
}
