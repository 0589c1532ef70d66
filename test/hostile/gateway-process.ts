/**
 * A gateway in a process of its own, for tests that attack it: what kills it must be seen as a
 * death. Settings come as JSON in the first argument, questions over IPC.
 */
import { readdirSync } from "node:fs";
import type { Server } from "socket.io";
import { startGateway } from "../../src/gateway/gateway.ts";
import type { Question } from "./gateway-child.ts";

interface Waiting {
  readonly _query: { readonly wait?: string; readonly go?: string };
}

/** A request that says `wait=x` waits for one that says `go=x`: what happens to it meanwhile? */
function letWait(io: Server): void {
  const waiting = new Map<string, (() => void)[]>();
  io.engine.use(({ _query: { wait, go } }: Waiting, _: unknown, next: () => void) => {
    if (wait !== undefined) {
      waiting.set(wait, [...(waiting.get(wait) ?? []), next]);
      return;
    }
    if (go !== undefined) {
      for (const other of waiting.get(go) ?? []) other();
      waiting.delete(go);
    }
    next();
  });
}

function install(io: Server): void {
  letWait(io);
  io.on("connection", (socket) => {
    socket.on("ask", (...args) => args.at(-1)(...args.slice(0, -1)));
    socket.on("join", (room, done) => {
      socket.join(room);
      done?.(socket.rooms.size);
    });
    socket.on("tell", (room, ...args) => socket.to(room).emit("told", ...args));
    socket.on("tell-joins", (room, text, done) => {
      io.of("/joins").to(room).emit("told", text);
      io.of("/joins").emit("told", text);
      done();
    });
    socket.on("call-me", (times: number) => {
      for (let n = 0; n < times; n++) socket.emit("called", n, () => {});
    });
    socket.on("flood-me", (times: number, text: string) => {
      for (let n = 0; n < times; n++) socket.emit("told", n, text);
    });
    socket.on("keep", (value, done) => {
      socket.data.kept = value;
      done();
    });
    socket.on("never", () => {});
    socket.on("disconnecting", () => {
      for (const room of socket.rooms) socket.leave(room);
    });
  });
  // The stream in which the well-behaved clients of an attack look for holes.
  let ticks = 0;
  setInterval(() => io.to("clients").emit("tick", ticks++), 100).unref();
  io.of("/slow").use((_, next) => void setTimeout(next, 100));
  io.of("/joins").use((socket, next) => {
    socket.join("early");
    setTimeout(() => next(new Error("no")), 20);
  });
  io.of(/^\/dyn-.*$/).on("connection", (socket) => {
    socket.on("join", (room, done) => {
      socket.join(room);
      done?.(socket.rooms.size);
    });
    socket.on("tell", (room, ...args) => socket.nsp.to(room).emit("told", ...args));
  });
}

const gateway = await startGateway(JSON.parse(process.argv[2] ?? "{}"));
install(gateway.io);

process.on("message", ({ id, ask }: Question) => {
  if (ask === "stop") {
    void gateway.stop().then(() => process.exit(0));
    return;
  }
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  process.send?.({
    id,
    rss,
    heapUsed,
    // The kernel's own high-water mark, in KiB: a short peak counts too.
    peak: process.resourceUsage().maxRSS * 1024,
    files: readdirSync("/proc/self/fd").length,
  });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port: gateway.port });
