import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Server, type ServerOptions } from "socket.io";
import { CLOSES, type CloseReason } from "../../src/core/closes.ts";
import type { CodecName } from "../../src/core/packet.ts";
import { startGateway } from "../../src/gateway/gateway.ts";

/** Timings and sizes that a target is started with, under Engine.IO's own names. */
export interface TargetOptions {
  readonly pingInterval?: number;
  readonly pingTimeout?: number;
  readonly upgradeTimeout?: number;
  readonly connectTimeout?: number;
  readonly maxHttpBufferSize?: number;
}

/** A started implementation of the protocols. */
export interface Started {
  readonly port: number;
  stop(): Promise<void>;
}

/** An implementation of the protocols that the suites run against. */
export interface Target {
  readonly name: string;
  readonly codecs: readonly CodecName[];
  /** Disconnect reasons that it words differently from the documents. */
  readonly words: Readonly<Record<string, string>>;
  start(options: TargetOptions, install: (io: Server) => void): Promise<Started>;
}

// The official parser in the place the docs give it ("Custom parser"); its types are loose.
const msgpackParser: unknown = createRequire(import.meta.url)("socket.io-msgpack-parser");

/** Stock socket.io on Node's own http server: what both protocols' documents describe. */
function stock(codec: CodecName): Target {
  return {
    name: `stock/${codec}`,
    codecs: [codec],
    // Its `Client` closes the connection itself on a bad packet and says only that.
    words: { "parse error": "forced close" },
    async start(options, install) {
      const http = createServer((_, res) => res.writeHead(404).end());
      const parser = codec === "msgpack" ? { parser: msgpackParser } : {};
      const io = new Server(http, { ...options, ...parser } as Partial<ServerOptions>); // `parser` is typed any there
      install(io);
      const transports: { shouldClose?: (() => void) | null }[] = [];
      io.engine.on("connection", (conn) => transports.push(conn.transport));
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
      return {
        port: (http.address() as AddressInfo).port, // listening on TCP
        async stop() {
          http.closeAllConnections();
          const closed = io.close();
          // Its polling transports wait 30 s for a last poll, which would hold up this process.
          for (const transport of transports) transport.shouldClose?.();
          await closed;
        },
      };
    },
  };
}

/** The gateway, whole; it speaks both codecs at one port. */
const sluice: Target = {
  name: "sluice",
  codecs: ["json", "msgpack"],
  words: {},
  async start(options, install) {
    const gateway = await startGateway({
      overload: { enabled: false },
      socket: {
        host: "127.0.0.1",
        port: 0,
        drainMs: 0,
        pingIntervalMs: options.pingInterval,
        pingTimeoutMs: options.pingTimeout,
        upgradeTimeoutMs: options.upgradeTimeout,
        connectTimeoutMs: options.connectTimeout,
        packetBytesMax: options.maxHttpBufferSize,
      },
    });
    install(gateway.io);
    return { port: gateway.port, stop: () => gateway.stop() };
  },
};

/** A close frame without a code, as the reference sends it, or with the code that says why. */
export function orderly(code: number | "none" | undefined, reason?: CloseReason): void {
  const codes = [1005, reason ? CLOSES[reason].code : 1000];
  assert.ok(
    codes.some((each) => each === code),
    `closed with ${code}`,
  );
}

/** Everything the suites run against: the reference first, then Sluice, both codecs at one door. */
export const TARGETS: readonly Target[] = [stock("json"), stock("msgpack"), sluice];
