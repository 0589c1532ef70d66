import { Server } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";
import { hostSubject } from "./host.ts";
import { loadUws } from "./native.ts";
import { askFunction, serveSocketIo, withLoss } from "./socket-io.ts";
import { versionOf } from "./versions.ts";

/** Socket.IO on uWebSockets.js by `io.attachApp`, as its documentation shows it. */
hostSubject(async ({ codec, loseEvery, callUrl, pingIntervalMs }) => {
  const { uws, version } = loadUws();
  const app = uws.App();
  const io = new Server({
    serveClient: false,
    ...(pingIntervalMs === undefined ? {} : { pingInterval: pingIntervalMs }),
    ...(codec === "msgpack" ? { parser: msgpackParser } : {}),
  });
  io.attachApp(app);
  const { emit, ...more } = serveSocketIo(io, callUrl ? askFunction(callUrl) : undefined);
  const port = await new Promise<number>((resolve, reject) =>
    app.listen("127.0.0.1", 0, (token) =>
      token ? resolve(uws.us_socket_local_port(token)) : reject(new Error("cannot listen")),
    ),
  );
  return {
    port,
    about: { "socket.io": versionOf("socket.io"), "uWebSockets.js": version },
    emit: withLoss(emit, loseEvery),
    ...more,
  };
});
