import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import handle from "./cluster-handler.ts";
import { loadUws } from "./native.ts";

/**
 * One node of stock Socket.IO on uWebSockets.js behind Redis, as the documentation of the adapter
 * starts it: `stock-node <port> <port of Redis>`.
 */
const [, , port = "", redisPort = ""] = process.argv;

const app = loadUws().uws.App();
const io = new Server({
  serveClient: false,
  adapter: createAdapter(new Redis(Number(redisPort), "127.0.0.1")),
});
io.attachApp(app);
handle(io);
app.listen("127.0.0.1", Number(port), () => {});
