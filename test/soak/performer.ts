import type { Server, Socket } from "socket.io";
import obey from "../harness/obedient.ts";

/** What a client has its server do. `n` numbers a packet, `tail` are arguments that follow it. */
export type Step = { readonly n: number; readonly tail: readonly unknown[] } & (
  | {
      readonly do: "emit";
      readonly rooms: readonly string[];
      readonly except: readonly string[];
      /** Through the client's own socket, which leaves that out. */
      readonly isFromSocket: boolean;
      readonly isVolatile: boolean;
    }
  /** To the client's own socket. */
  | { readonly do: "own" }
  | { readonly do: "ask"; readonly room: string }
  /** Has members of a room join or leave another, and emits to the first behind it. */
  | {
      readonly do: "move";
      readonly of: string;
      readonly room: string;
      readonly joined: boolean;
    }
);

/**
 * A handler module: each client has its server broadcast and move others. Once what it told is on
 * its way, so is the word that it is done, in the same turn: both reach the log, or neither.
 */
export default function perform(io: Server): void {
  obey(io);
  io.on("connection", (socket) => {
    socket.on("perform", (batch: number, steps: readonly Step[]) => {
      for (const step of steps) take(io, socket, step);
      io.to(socket.id).emit("done", batch);
    });
  });
}

function take(io: Server, socket: Socket, step: Step): void {
  const args = [step.n, ...step.tail] as const;
  if (step.do === "own") socket.emit("n", ...args);
  else if (step.do === "ask") {
    // Who leaves before it answers is no fault.
    const asked = io.to(step.room).timeout(2000);
    asked.emitWithAck("n", ...args).catch(() => {});
  } else if (step.do === "move") {
    const chosen = io.in(step.of);
    if (step.joined) chosen.socketsJoin(step.room);
    else chosen.socketsLeave(step.room);
    io.to(step.of).emit("n", ...args);
  } else {
    const from = step.isFromSocket ? socket.to([...step.rooms]) : io.to([...step.rooms]);
    const target = from.except([...step.except]);
    (step.isVolatile ? target.volatile : target).emit("n", ...args);
  }
}
