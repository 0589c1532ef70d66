/** What the playground and the chat need of Socket.IO, in a file that only they load. */
export { io } from "socket.io-client";
export * as msgpack from "socket.io-msgpack-parser";
