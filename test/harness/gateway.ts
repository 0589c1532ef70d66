import type { TestContext } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { io as connect, type Socket } from "socket.io-client";
import * as msgpack from "socket.io-msgpack-parser";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type Gateway, startOwn } from "../../src/gateway/gateway.ts";
import { next } from "./wait.ts";

/** How a real client connects. */
export interface ClientOptions {
  readonly codec?: "msgpack" | "json";
  readonly transports?: ("polling" | "websocket")[];
  readonly namespace?: string;
  readonly auth?: Record<string, unknown>;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly reconnection?: boolean;
  readonly reconnectionDelay?: number;
  readonly reconnectionDelayMax?: number;
  /** How long a connection may take to open. */
  readonly timeout?: number;
  readonly withCredentials?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** The three ways a client's transport can go. */
export const WAYS = {
  websocket: ["websocket"],
  polling: ["polling"],
  upgraded: ["polling", "websocket"],
} as const satisfies Record<string, readonly ("polling" | "websocket")[]>;

/** A gateway of one test, on a free port of the loopback, that stops with it. */
export interface TestGateway extends Gateway {
  /** Returns a real client that is not connected yet; it ends with the test. */
  client(options?: ClientOptions): Socket;
  /** Returns a real client once it is connected. */
  connected(options?: ClientOptions): Promise<Socket>;
  /** Returns both ends of a real client: as `connected`, and its socket on the server. */
  joined(options?: ClientOptions): Promise<{ client: Socket; socket: ServerSocket }>;
  /** The sum of a metric's series whose labels contain `labels`. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

/** A connection of engine.io; with true it is ended without waiting for what is unsent. */
interface Closed {
  close(discard: true): void;
}

/** Starts a gateway for a test. Stops and drains at once unless the settings say otherwise. */
export async function testGateway(
  t: TestContext,
  settings: PartialSettings = {},
  needs: Parameters<typeof startOwn>[1] = {},
): Promise<TestGateway> {
  const gateway = await startOwn(
    {
      ...settings,
      socket: { host: "127.0.0.1", port: 0, drainMs: 0, ...settings.socket },
      metrics: { defaults: false, ...settings.metrics },
      // A machine that is busy with other tests must not turn this one's clients away.
      overload: settings.overload ?? { enabled: false },
      // Nor keep it from starting, where a test has Redis count as away after a moment.
      cluster: { startup: "wait", ...settings.cluster },
    },
    needs,
  );
  const clients: Socket[] = [];
  t.after(async () => {
    for (const client of clients) client.disconnect();
    // Else the stop waits a second for the poll of each raw client that never joined a namespace.
    const { clients: open } = gateway.io.engine as unknown as { clients: Record<string, Closed> };
    for (const connection of Object.values(open)) connection.close(true);
    await gateway.stop();
  });
  const client = (options: ClientOptions = {}): Socket => {
    const made = newClient(gateway.url, options);
    clients.push(made);
    return made;
  };
  const connected: TestGateway["connected"] = async (options) => {
    const made = client(options);
    await next(made.connect(), "connect");
    return made;
  };
  return {
    ...gateway,
    client,
    connected,
    async joined(options = {}) {
      const arrived = next<[ServerSocket]>(gateway.io.of(options.namespace ?? "/"), "connection");
      const made = await connected(options);
      return { client: made, socket: (await arrived)[0] };
    },
    async metric(name, labels = {}) {
      return sumMetric(await gateway.scrape(), name, labels);
    },
  };
}

/** Returns a real client of any Socket.IO server; it connects when told to. */
export function newClient(url: string, options: ClientOptions = {}): Socket {
  const { codec = "msgpack", namespace = "", headers, ...rest } = options;
  return connect(`${url}${namespace}`, {
    forceNew: true,
    autoConnect: false,
    reconnection: false,
    transports: ["websocket"],
    ...(codec === "msgpack" && { parser: msgpack }),
    ...(headers && { extraHeaders: headers }),
    ...rest,
  });
}

/** Adds up the series of one metric in Prometheus text. */
export function sumMetric(text: string, name: string, labels: Record<string, string> = {}): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    const match = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
    if (match?.[1] !== name) continue;
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    if (wanted.every((label) => match[2]?.split(",").includes(label))) sum += Number(match[3]);
  }
  return sum;
}
