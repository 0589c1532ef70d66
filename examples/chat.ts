import type { Server } from "socket.io";

/**
 * The room chat: `join(room)`, `leave(room)` and `message(room, text)`.
 *
 * The other members get `message` with `{ from, room, text }`. They get `user has left` with the id
 * and the room when someone leaves.
 */
export default function chat(io: Server): void {
  io.on("connection", (socket) => {
    socket.on("join", (room: unknown, done?: unknown) => {
      if (isRoom(room)) socket.join(room);
      answer(done, isRoom(room));
    });

    socket.on("leave", (room: unknown, done?: unknown) => {
      const member = isRoom(room) && socket.rooms.has(room);
      if (member) {
        socket.to(room).emit("user has left", socket.id, room);
        socket.leave(room);
      }
      answer(done, member);
    });

    socket.on("message", (room: unknown, text: unknown, done?: unknown) => {
      // Only members may send to a room, and only texts are passed on.
      const heard = isRoom(room) && socket.rooms.has(room) && typeof text === "string";
      if (heard) socket.to(room).emit("message", { from: socket.id, room, text });
      answer(done, heard);
    });

    socket.on("disconnecting", () => {
      for (const room of socket.rooms) {
        if (room !== socket.id) socket.to(room).emit("user has left", socket.id, room);
      }
    });
  });
}

function isRoom(room: unknown): room is string {
  return typeof room === "string" && room.length > 0 && room.length <= 128;
}

function answer(done: unknown, ok: boolean): void {
  if (typeof done === "function") done(ok);
}
