import type { Server } from "socket.io";

/** A handler module for tests: each socket does what its client says, and then acknowledges it. */
export default function obey(io: Server): void {
  io.on("whoami", (done: (pid: number) => void) => done(process.pid));
  io.on("connection", (socket) => {
    socket.on("join", async (room: string, done: () => void) => {
      await socket.join(room);
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
    socket.on("blockFor", (ms: number) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    });
    socket.on("pid", (done: (pid: number) => void) => done(process.pid));
    // Broadcasts numbers, ten a turn: some thousands a second, which one test can hear.
    socket.on("flood", async (room: string, count: number, done: () => void) => {
      for (let n = 0; n < count; n++) {
        io.to(room).emit("n", `${process.pid} ${n}`);
        if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      done();
    });
    socket.on("list", async (done: (ids: string[]) => void) => {
      done((await io.fetchSockets()).map(({ id }) => id));
    });
    socket.on("askWorkers", (done: (why: string | undefined, pids: number[]) => void) => {
      io.serverSideEmit("whoami", (error: Error | null, pids: number[]) => {
        done(error?.message, pids);
      });
    });
    socket.on("survey", (room: string, done: (answers: unknown[]) => void) => {
      io.to(room)
        .timeout(5_000)
        .emit("question", (_error: Error | null, answers: unknown[]) => done(answers));
    });
    socket.on("kick", (id: string) => io.in(id).disconnectSockets());
    // Broadcasts numbers for as long as the process lives.
    socket.on("count", (event: string, everyMs: number) => {
      let n = 0;
      setInterval(() => io.emit(event, n++), everyMs);
    });
  });
}
