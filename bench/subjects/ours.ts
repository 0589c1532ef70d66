import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Server } from "socket.io";
import { hostSubject } from "./host.ts";
import { serveSocketIo, withLoss } from "./socket-io.ts";

/** The part of `startGateway`'s module that a subject needs. */
interface GatewayModule {
  startGateway(settings: unknown): Promise<{ io: Server; port: number; stop(): Promise<void> }>;
}

/** Sluice as `npm run build` compiles it, with its default settings but for address and log. */
hostSubject(async ({ codec, build, loseEvery }) => {
  if (build === undefined) throw new Error("no compiled gateway was named");
  const module: unknown = await import(pathToFileURL(join(build, "gateway.js")).href);
  const { startGateway } = module as GatewayModule; // the build's own public face
  const gateway = await startGateway({
    socket: { host: "127.0.0.1", port: 0, drainMs: 0 },
    codec: { accept: "both" },
    log: { level: "silent" },
  });
  const { emit, connections } = serveSocketIo(gateway.io);
  return {
    port: gateway.port,
    about: { sluice: build, codec: `accept both, clients speak ${codec}` },
    emit: withLoss(emit, loseEvery),
    connections,
    stop: () => gateway.stop(),
  };
});
