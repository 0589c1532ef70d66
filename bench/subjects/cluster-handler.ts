import type { Server } from "socket.io";
import { createBodies, nowUs } from "../wire/marker.ts";
import { emitOnSchedule, type PaceOptions } from "./emit.ts";
import { serveSocketIo } from "./socket-io.ts";

type Done = (answer: unknown) => void;

/**
 * The handlers of every process of the scenario `cluster`, ours and stock. Whoever is asked by a
 * client broadcasts to the room `r`: of this process alone for `mark`, of all for `pace`.
 */
export default function handle(io: Server): void {
  serveSocketIo(io);
  io.on("connection", (socket) => {
    socket.on("mark", (payloadBytes: number, done: Done) => {
      io.local.to("r").emit("m", createBodies(payloadBytes)(0, nowUs()));
      done(process.pid);
    });
    socket.on("pace", async (options: PaceOptions, done: Done) => {
      const emit = (_: unknown, body: string) => void io.to("r").emit("m", body);
      done(await emitOnSchedule(options, { emit, createBodies, nowUs }));
    });
  });
}
