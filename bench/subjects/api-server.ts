import type { HttpResponse } from "uWebSockets.js";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Server } from "socket.io";
import { serve } from "../rig/rpc.ts";
import { loadUws } from "./native.ts";

/** How the server of the `api` scenario starts: a compiled gateway, or bare uWebSockets.js. */
export interface ApiServerOptions {
  readonly build: string | undefined;
  readonly secret: string;
}

interface GatewayModule {
  startGateway(settings: unknown): Promise<{ io: Server; port: number }>;
}

/** Serves HTTP that emits to the room `r`, in which every client is. */
serve({
  async start({ build, secret }: ApiServerOptions) {
    return { port: build === undefined ? await startBare() : await startOurs(build, secret) };
  },
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) / 1e6 };
  },
});

async function startOurs(build: string, secret: string): Promise<number> {
  const module: unknown = await import(pathToFileURL(join(build, "index.js")).href);
  const { startGateway } = module as GatewayModule; // the build's own public face
  const { io, port } = await startGateway({
    socket: { host: "127.0.0.1", port: 0 },
    log: { level: "silent" },
    api: { keys: [`bench:${secret}`] },
  });
  io.on("connection", (socket) => void socket.join("r"));
  return port;
}

/**
 * The control: reads the body, parses it and publishes. No key, no validation, no rooms, and one
 * frame in one codec.
 */
function startBare(): Promise<number> {
  const { uws } = loadUws();
  const app = uws.App();
  const emit = (line: string): void => {
    const { event, args }: { event: string; args: unknown[] } = JSON.parse(line);
    app.publish("r", `42${JSON.stringify([event, ...args])}`, false);
  };
  app.ws("/socket.io/", {
    // A member that the control outruns must not be spared what it was sent.
    maxBackpressure: 0,
    open: (ws) =>
      void ws.send('0{"sid":"bare","upgrades":[],"pingInterval":300000,"pingTimeout":300000}'),
    message(ws, message) {
      if (!Buffer.from(message).toString().startsWith("40")) return;
      ws.send('40{"sid":"bare"}');
      ws.subscribe("r");
    },
  });
  app.post("/v1/emit", (res) => readBare(res, () => undefined, emit));
  app.post("/v1/commands", (res) => readBare(res, (done) => '{"ok":true}\n'.repeat(done), emit));
  return new Promise((resolve, reject) => {
    app.listen("127.0.0.1", 0, (token) => {
      if (token) resolve(uws.us_socket_local_port(token));
      else reject(new Error("cannot listen"));
    });
  });
}

/**
 * Emits every line; `answer` is what is written for so many of them before the end, if anything.
 */
function readBare(
  res: HttpResponse,
  answer: (lines: number) => string | undefined,
  emit: (line: string) => void,
): void {
  let rest = "";
  res.onAborted(() => {});
  res.onData((chunk, last) => {
    const lines = (rest + Buffer.from(chunk).toString()).split("\n");
    rest = last ? "" : (lines.pop() ?? "");
    const whole = lines.filter((line) => line !== "");
    for (const line of whole) emit(line);
    res.cork(() => {
      const text = answer(whole.length);
      if (text === undefined)
        res.writeHeader("content-type", "application/json").end('{"ok":true}');
      else if (last) res.end(text);
      else res.write(text);
    });
  });
}
