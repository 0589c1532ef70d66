import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "socket.io";
import { attach } from "../../src/gateway/attach.ts";
import { loadNative } from "../../src/host/native.ts";
import { type Gateway, type HandlerModule, startGateway } from "../../src/index.ts";
import { newClient } from "../harness/gateway.ts";
import { next } from "../harness/wait.ts";

interface ClientToServer {
  join: (room: string, done: (count: number) => void) => void;
}
interface ServerToClient {
  news: (text: string, n: number) => void;
  ask: (text: string, done: (reply: string) => void) => void;
}
interface ServerSide {
  moved: (room: string) => void;
}
interface Data {
  user: string;
}
type Chat = HandlerModule<ClientToServer, ServerToClient, ServerSide, Data>;

// What is wrong here is wrong for the compiler: `npm run check` fails when it finds nothing to expect.
const chat: Chat = (io) => {
  io.use((socket, go) => {
    socket.data.user = "ann";
    // @ts-expect-error: a user is a text.
    socket.data.user = 1;
    // @ts-expect-error: there is no such data.
    socket.data.age = 1;
    socket.data.user = "ann";
    go();
  });
  io.on("moved", (room) => void room.length);
  // @ts-expect-error: no node sends this event.
  io.on("removed", () => {});
  io.on("connection", (socket) => {
    socket.on("join", (room, done) => {
      io.to(room).emit("news", room.toUpperCase(), 1);
      // @ts-expect-error: what is acknowledged is a number.
      if (room === "") done("one");
      done(socket.data.user.length);
    });
    // @ts-expect-error: no client sends this event.
    socket.on("leave", () => {});
    socket.emit("ask", "who?", (reply) => void reply.length);
    // @ts-expect-error: its second argument is missing.
    socket.emit("news", "x");
  });
};
const cast = (io: Parameters<Chat>[0]) => {
  io.serverSideEmit("moved", "lobby");
  // @ts-expect-error: a room is a text.
  io.serverSideEmit("moved", 1);
  // @ts-expect-error: there is no such event.
  io.emit("olds");
};

test("events and data that are declared once are checked wherever io appears", async (t) => {
  const gateway = await startGateway<ClientToServer, ServerToClient, ServerSide, Data>({
    socket: { host: "127.0.0.1", port: 0, drainMs: 0 },
  });
  t.after(() => gateway.stop());
  await chat(gateway.io);
  assert.equal(typeof cast, "function");
  const client = newClient(gateway.url);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  assert.equal(await client.emitWithAck("join", "lobby"), 3);
  const sockets = await gateway.io.fetchSockets();
  const users: string[] = sockets.map(({ data }) => data.user);
  assert.deepEqual(users, ["ann"]);
});

test("without parameters every event may be sent, as with Socket.IO's own Server", async (t) => {
  const untyped: HandlerModule = (io) => void io.on("connection", (one) => one.emit("x", 1, {}));
  const gateway: Gateway = await startGateway({ socket: { host: "127.0.0.1", port: 0 } });
  t.after(() => gateway.stop());
  await untyped(gateway.io);
  const stock: Server = gateway.io;
  assert.ok(stock instanceof Server);
});

test("attach takes a server of any parameters", () => {
  const io = new Server<ClientToServer, ServerToClient, ServerSide, Data>();
  const app = loadNative().uws.App();
  const attached = attach(io, app);
  assert.equal(attached.samples().socket.volatileDropped, 0);
  attached.detach();
});
