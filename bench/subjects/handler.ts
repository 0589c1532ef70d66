import type { Server } from "socket.io";
import { serveSocketIo } from "./socket-io.ts";

/** The benchmark's handlers as a handler module of the gateway. */
export default function handle(io: Server): void {
  serveSocketIo(io);
}
