import {
  type INestApplication,
  Logger,
  type WebSocketAdapter,
  type WsMessageHandler,
} from "@nestjs/common";
import type { Namespace, Server, Socket } from "socket.io";
import type { Log } from "../core/log.ts";
import { readSettings } from "../core/settings.ts";
import type { PartialSettings } from "../core/settings-shape.ts";
import type { Gateway, GatewayNeeds, Listen } from "../gateway/gateway.ts";
import { type LaterGateway, startLater } from "./later.ts";
import { bindMessages } from "./messages.ts";
import { listGateways, withOptions } from "./options.ts";

/** What an adapter may be given, besides its settings. Default of `log`: Nest's logger. */
export type SluiceAdapterNeeds = Omit<GatewayNeeds, "fetch" | "http">;

/**
 * Serves the WebSocket gateways of a Nest application, and its own HTTP, on one port:
 * `app.useWebSocketAdapter(new SluiceAdapter(app, settings))`, before `app.listen(port)`.
 *
 * The port is that of `app.listen()`, and the host, if it is given there. `app.close()` drains and
 * stops. Errors of the start, such as a setting out of bounds or a port in use, reject
 * `app.listen()`, or `app.init()` if you call that before.
 */
export class SluiceAdapter implements WebSocketAdapter<Server | Namespace, Socket> {
  readonly #app: INestApplication;
  readonly #settings: PartialSettings;
  readonly #needs: SluiceAdapterNeeds;
  #later: LaterGateway | undefined;
  #io: Server | undefined;
  #gateway: Gateway | undefined;

  /** Takes over how `app` listens. Nothing starts before `app.init()` or `app.listen()`. */
  constructor(
    app: INestApplication,
    settings: PartialSettings = {},
    needs: SluiceAdapterNeeds = {},
  ) {
    this.#app = app;
    this.#settings = settings;
    this.#needs = needs;
    const http = app.getHttpAdapter();
    const init = http.init?.bind(http);
    // Nest waits for it before it creates the gateways' servers.
    http.init = async () => {
      await init?.();
      await this.#prepare();
    };
    // Nest calls it in `app.listen()`, with a callback of its own in the end.
    http.listen = (port: unknown, ...rest: unknown[]) => void this.#listen(port, rest);
  }

  /** The gateway, for its metrics and more. Throws before `app.listen()` has resolved. */
  get gateway(): Gateway {
    if (this.#gateway) return this.#gateway;
    throw new Error("SluiceAdapter has no gateway before app.listen() has resolved");
  }

  /** Called by Nest, for each server and namespace of a gateway. */
  create(_port: number, { namespace }: { namespace?: string | RegExp } = {}): Server | Namespace {
    if (!this.#io) throw new Error(LATE);
    // A parent namespace has the methods of a namespace that Nest uses.
    return namespace ? this.#io.of(namespace as string) : this.#io;
  }

  /** Called by Nest. */
  bindClientConnect(server: Server | Namespace, callback: (socket: Socket) => void): void {
    server.on("connection", callback);
  }

  /** Called by Nest. */
  bindClientDisconnect(client: Socket, callback: (reason: string) => void): void {
    client.once("disconnect", callback);
  }

  /** Called by Nest. */
  bindMessageHandlers(
    client: Socket,
    handlers: WsMessageHandler[],
    transform: Parameters<WebSocketAdapter["bindMessageHandlers"]>[2],
  ): void {
    bindMessages(client, handlers, transform);
  }

  /** Called by Nest for each server and namespace; all of them are stopped by `dispose`. */
  close(): void {}

  /** Called by Nest in `app.close()`: drains and stops the gateway. */
  async dispose(): Promise<void> {
    await this.#later?.stop();
    this.#app.getHttpServer().address = () => null;
  }

  async #prepare(): Promise<void> {
    const gateways = listGateways(this.#app);
    const settings = withOptions(this.#settings, gateways);
    const http = this.#app.getHttpServer();
    if ("setSecureContext" in http) {
      throw new Error(
        "SluiceAdapter serves TLS by socket.tls in its settings: remove httpsOptions",
      );
    }
    const log = this.#needs.log ?? createLog(settings);
    this.#later ??= startLater(settings, { ...this.#needs, log, http });
    this.#io = await this.#later.io;
  }

  async #listen(port: unknown, rest: unknown[]): Promise<void> {
    const server = this.#app.getHttpServer();
    const listening = rest.pop() as () => void; // Nest's own
    try {
      if (!this.#later) throw new Error(LATE);
      // Fastify answers only then; Express has no such method.
      const instance = this.#app.getHttpAdapter().getInstance();
      if (typeof instance.ready === "function") await instance.ready();
      const gateway = await this.#later.listen(readPlace(port, rest[0]));
      this.#gateway = gateway;
      const { host } = gateway.settings.socket;
      const family = host.includes(":") ? "IPv6" : "IPv4";
      // It does not listen itself, but Nest and tests ask it where.
      server.address = () => ({ address: host, family, port: gateway.port });
      listening();
    } catch (error) {
      server.emit("error", error); // rejects app.listen()
    }
  }
}

const LATE = "SluiceAdapter was made too late: make it before app.init() and app.listen()";

/** Reads what `app.listen()` was given. */
function readPlace(given: unknown, host: unknown): Listen {
  const port = typeof given === "string" && given.trim() !== "" ? Number(given) : given;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`app.listen() got ${given}: SluiceAdapter needs a port between 0 and 65535`);
  }
  return { port, ...(typeof host === "string" && { host }) };
}

/** Names of the levels in Nest, the lowest first. */
const LEVELS = { debug: "debug", info: "log", warn: "warn", error: "error" } as const;

/** Returns a log that writes with Nest's logger. */
function createLog(settings: PartialSettings): Log {
  const logger = new Logger("Sluice");
  const order = [...Object.keys(LEVELS), "silent"];
  const { level: lowest } = readSettings(settings).log;
  return (level, { component, stack, ...fields }, text) => {
    if (order.indexOf(level) < order.indexOf(lowest)) return;
    const line = `${component}: ${text} ${JSON.stringify(fields)}`;
    logger[LEVELS[level]](line, ...(stack === undefined ? [] : [stack]));
  };
}
