import assert from "node:assert/strict";
import type { Socket as Client } from "socket.io-client";
import { SECRET as KEY } from "../harness/api.ts";
import { type Answering, type Received, SECRET } from "../harness/function.ts";

/** The API key with which a node of {@link JOIN_WAYS} starts. */
export const KEYS = [`test:${KEY}`];
export { SECRET };

/** Calls a function for connects, and for one event. */
export const routesTo = (url: string) =>
  ["connect", "enter"].map((event) => ({ namespace: "/", event, url }));

/** What the function answers: it puts whoever connects, or asks, into a room. */
export function putIntoRoom({ json: { socket, args, reason } }: Received): Answering {
  if (reason !== undefined) return {};
  if (!args) return { body: { rooms: [socket.handshake.auth.room].filter(Boolean) } };
  const commands = [{ do: "socketsJoin", in: [socket.id], rooms: args }];
  return { body: { ack: ["in"], commands } };
}

/** Each resolves when the client, or who asked for it at a node, has the answer to a join. */
export const JOIN_WAYS: Readonly<
  Record<string, (client: Client, room: string, url: string) => Promise<unknown>>
> = {
  "a handler's await": (client, room) => client.emitWithAck("join", room),
  "a function's answer": (client, room) => client.emitWithAck("enter", room),
  "a command over HTTP": async ({ id }, room, url) => {
    const body = JSON.stringify({ do: "socketsJoin", in: [id], rooms: [room] });
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const answered = await fetch(`${url}/v1/commands`, { method: "POST", headers, body });
    assert.deepEqual(await answered.json(), { ok: true });
  },
};
