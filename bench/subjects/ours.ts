import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Server } from "socket.io";
import { hostSubject } from "./host.ts";
import { OPEN_DOOR } from "./limits.ts";
import { serveSocketIo, withLoss } from "./socket-io.ts";

/** The part of `startGateway`'s module that a subject needs. */
interface GatewayModule {
  startGateway(settings: unknown): Promise<{ io: Server; port: number }>;
}

/** Any will do: the benchmark's function does not check signatures. */
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** Sluice as `npm run build` compiles it, with its default settings but for address, rates and overload. */
hostSubject(async ({ codec, build, loseEvery, callUrl, unionMembersMax, ...start }) => {
  if (build === undefined) throw new Error("no compiled gateway was named");
  const module: unknown = await import(pathToFileURL(join(build, "index.js")).href);
  const { startGateway } = module as GatewayModule; // the build's own public face
  const gateway = await startGateway({
    socket: {
      ...{ host: "127.0.0.1", port: 0, drainMs: 0 },
      ...(start.pingIntervalMs === undefined ? {} : { pingIntervalMs: start.pingIntervalMs }),
    },
    codec: { accept: "both" },
    ...OPEN_DOOR,
    ...(start.idles ? { overload: { enabled: true } } : {}),
    ...(unionMembersMax === undefined ? {} : { fanout: { unionMembersMax } }),
    ...(callUrl ? { upstream: { url: callUrl, secrets: [SECRET] } } : {}),
    log: { level: "silent" },
  });
  const { emit, ...more } = serveSocketIo(gateway.io, callUrl ? null : undefined);
  return {
    port: gateway.port,
    about: { codec: `accept both, clients speak ${codec}` },
    emit: withLoss(emit, loseEvery),
    ...more,
  };
});
