import { createServer } from "node:http";
import { Server } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";
import { hostSubject } from "./host.ts";
import { askFunction, serveSocketIo, withLoss } from "./socket-io.ts";
import { versionOf } from "./versions.ts";

/** Socket.IO as its documentation starts it: on Node's http server and the `ws` package. */
hostSubject(async ({ codec, loseEvery, callUrl, pingIntervalMs }) => {
  const http = createServer();
  const io = new Server(http, {
    serveClient: false,
    ...(pingIntervalMs === undefined ? {} : { pingInterval: pingIntervalMs }),
    ...(codec === "msgpack" ? { parser: msgpackParser } : {}),
  });
  const { emit, ...more } = serveSocketIo(io, callUrl ? askFunction(callUrl) : undefined);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    about: { "socket.io": versionOf("socket.io"), ws: versionOf("ws"), server: "node:http" },
    emit: withLoss(emit, loseEvery),
    ...more,
  };
});
