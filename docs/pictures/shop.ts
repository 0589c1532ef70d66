import type { Server, Socket } from "socket.io";

/** The handlers of the gateways in the pictures: a shop with a room in which its users talk. */
export default function shop(io: Server): void {
  io.use((socket, go) => {
    const { user } = socket.handshake.auth as { user?: string };
    socket.data = { user: { sub: user }, cart: { items: 2 } };
    go();
  });
  io.on("connection", (socket: Socket) => {
    socket.on("enter", async (room: string, done: () => void) => {
      await socket.join(room);
      done();
    });
    socket.on("say", (text: string) => socket.to("lobby").emit("said", text));
    socket.on("price", (item: string, cents: number) => io.to("lobby").emit("price", item, cents));
  });
}
