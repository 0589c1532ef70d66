/** What a connection writes: whole packets, in order, of the arguments as they were. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectAll } from "./company.ts";
import type { Kind } from "./raw-client.ts";
import { startRig } from "./rig.ts";

const KINDS: readonly Kind[] = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "json", way: "polling" },
  { codec: "msgpack", way: "polling" },
  { codec: "json", way: "websocket", eio: 3 },
  { codec: "json", way: "websocket" },
];

for (const event of ["packetCreate", "flush", "drain"] as const) {
  test(`what a listener of ${event} sends comes once, and not between a packet and its attachments`, async (t) => {
    // Seen: JSON clients closed the connection, since text came instead of an attachment; a packet
    // that a listener of `flush` sent came twice, and the one being flushed too.
    const rig = await startRig(t, { socket: { allowEio3: true } });
    const { sockets, inboxes, settled } = await connectAll(rig, KINDS);
    for (const socket of sockets) {
      let left = 6;
      let sending = false;
      socket.conn.on(event as "drain", () => {
        if (sending || left === 0) return;
        sending = true;
        left -= 1;
        if (left % 2) socket.emit("m", "more");
        else rig.io.to(socket.id).emit("m", "more");
        sending = false;
      });
      for (let i = 0; i < 4; i++) socket.emit("m", i, Buffer.from([1]), Buffer.from([2]));
    }
    await settled();
    await settled();
    for (const inbox of inboxes) {
      const numbers = inbox
        .map((args) => (args as unknown[])[0])
        .filter((first) => first !== "more");
      assert.deepEqual(numbers, [0, 1, 2, 3]);
      assert.ok(inbox.length > 4 && inbox.length <= 10, `${inbox.length} packets`);
    }
    for (const { conn } of sockets) conn.removeAllListeners(event);
  });
}
