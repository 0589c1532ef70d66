import type { Server } from "socket.io";
import { createBodies, nowUs } from "../wire/marker.ts";
import { emitOnSchedule, type PaceOptions } from "./emit.ts";
import { serveSocketIo } from "./socket-io.ts";

type Done = (answer: unknown) => void;

/** What a process of the scenario `cluster` is asked to broadcast. */
export interface ClusterPace extends Omit<PaceOptions, "shape" | "streams"> {
  /** Rooms of each broadcast, in turns. */
  readonly targets: readonly (readonly string[])[];
}

/**
 * The handlers of every process of the scenario `cluster`, ours and stock. Whoever is asked by a
 * client broadcasts. Who comes with `seats=50x4` gets a seat in one of four rooms of 50 that this
 * process has for itself, called by its pid, or is sent away once these are full: which worker
 * gets a connection is the kernel's choice.
 */
export default function handle(io: Server): void {
  serveSocketIo(io);
  let seated = 0;
  io.use((socket, next) => {
    const { seats } = socket.handshake.query;
    if (typeof seats !== "string") return next();
    const [size = 1, rooms = 1] = seats.split("x").map(Number);
    if (seated === size * rooms) return next(new Error("all seats are taken"));
    socket.data.room = `${process.pid}x${seated++ % rooms}`;
    next();
  });
  io.on("connection", (socket) => {
    if (socket.data.room) socket.join(socket.data.room);
    socket.on("pid", (done: Done) => done(process.pid));
    socket.on("join", async (rooms: string[], done: Done) => {
      await socket.join(rooms);
      done(rooms.length);
    });
    socket.on("pace", async ({ targets, ...pace }: ClusterPace, done: Done) => {
      let at = 0;
      const emit = (_: unknown, body: string) =>
        void io.to([...(targets[at++ % targets.length] ?? [])]).emit("m", body);
      const options = { ...pace, shape: "room", streams: targets.length } as const;
      done(await emitOnSchedule(options, { emit, createBodies, nowUs }));
    });
  });
}
