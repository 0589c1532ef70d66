import type { Server } from "socket.io";

/** A handler module for tests: each socket does what its client says, and then acknowledges it. */
export default function obey(io: Server): void {
  io.on("connection", (socket) => {
    socket.on("join", (room: string, done: () => void) => {
      socket.join(room);
      done();
    });
    socket.on("leave", (room: string, done: () => void) => {
      socket.leave(room);
      done();
    });
    socket.on("set", (data: object, done: () => void) => {
      Object.assign(socket.data, data);
      done();
    });
    socket.on("tell", (done: (found: object) => void) => {
      done({ rooms: [...socket.rooms], data: socket.data });
    });
    socket.on("block", () => {
      for (;;);
    });
    socket.on("kick", (id: string) => io.in(id).disconnectSockets());
    // Broadcasts numbers for as long as the process lives.
    socket.on("count", (event: string, everyMs: number) => {
      let n = 0;
      setInterval(() => io.emit(event, n++), everyMs);
    });
  });
}
