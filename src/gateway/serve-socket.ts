import type { Server } from "socket.io";
import { createCodec } from "../codec/codec.ts";
import type { CloseReason } from "../core/closes.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { createFanout } from "../fanout/fanout.ts";
import type { TemplatedApp } from "../host/native.ts";
import { createWrites } from "../host/writes.ts";
import type { Connection } from "../socket/connection.ts";
import { type SocketNeeds, type SocketRoom, serveSocketIo } from "../socket/server.ts";

/** Optional callbacks and facts for {@link attach}. */
export interface AttachWatch {
  /** Whether the app uses TLS; becomes `handshake.secure`. Default: false. */
  readonly encrypted?: boolean;
  /** Gets log lines about problems. Default: `process.emitWarning`. */
  readonly log?: Log;
  /** Called when a connection has closed. */
  readonly ended?: (connection: Connection, reason: CloseReason, details: string) => void;
  /** Called when backpressure on a connection ends, with its duration in seconds. */
  readonly pressuredFor?: (seconds: number) => void;
}

/** A Socket.IO server that Sluice serves. */
export interface Attached {
  /** Returns everything counted so far, as plain numbers. */
  samples(): AttachedSamples;
  /**
   * Refuses new handshakes, and closes every connection from when `settled` resolves, spread over
   * `drainMs`. Calls `seen` with how many are left.
   */
  drain(drainMs: number, seen?: (left: number) => void, settled?: Promise<void>): Promise<void>;
  /** Ends every connection at once, whatever is unsent. */
  closeAll(reason: CloseReason): void;
  /**
   * Restores the server's own parser and delivery. From then on its path on the app answers
   * handshakes with 503. Call it after `io.close()`.
   */
  detach(): void;
}

/** The counters of an attached server. */
export interface AttachedSamples {
  /** Of connections: opened, closed, bytes, packets, backpressure. */
  readonly socket: SocketRoom["samples"];
  /** Of packets that were encoded and decoded, and of those refused. */
  readonly codec: ReturnType<ReturnType<typeof createCodec>["samples"]>;
  /** Of broadcasts and their recipients. */
  readonly fanout: ReturnType<ReturnType<typeof createFanout>["samples"]>;
}

/**
 * Does what `attach` promises, for checked settings. A gateway adds the door, and the guards of the
 * application's functions.
 */
// biome-ignore lint/complexity/useMaxParams: io and app are joined here, by settings and needs.
export function serveSocket(
  io: Server,
  app: TemplatedApp,
  settings: Pick<Settings, "socket" | "codec" | "fanout">,
  watch: AttachWatch & Pick<SocketNeeds, "door" | "guard">,
): Attached & Pick<SocketRoom, "polling" | "connections"> {
  const codec = createCodec({
    ...settings.codec,
    packetBytesMax: settings.socket.packetBytesMax,
  });
  const writes = createWrites(app, settings.socket.bufferBytesMax);
  const fanout = createFanout(
    { ...settings.fanout, bufferBytesMax: settings.socket.bufferBytesMax },
    writes,
  );
  const needs: SocketNeeds = {
    parser: codec.parser,
    log: watch.log ?? warn,
    encrypted: watch.encrypted ?? false,
    speaksJson: settings.codec.accept !== "msgpack",
    createReader: codec.createReader,
    encode: codec.encode,
    writes,
    moved: fanout.moved,
    heard: fanout.heard,
    ended: watch.ended ?? (() => {}),
    pressuredFor: watch.pressuredFor ?? (() => {}),
    door: watch.door,
    ...(watch.guard && { guard: watch.guard }),
  };
  fanout.register(io); // first, because it throws if `io` is attached already
  let socket: SocketRoom;
  try {
    socket = serveSocketIo(io, app, settings.socket, needs);
  } catch (error) {
    fanout.detach();
    throw error;
  }
  return {
    samples: () => ({
      socket: socket.samples,
      codec: codec.samples(),
      fanout: fanout.samples(),
    }),
    polling: socket.polling,
    connections: socket.connections,
    drain: (drainMs, seen = () => {}, settled) => socket.drain(drainMs, seen, settled),
    closeAll: (reason) => socket.closeAll(reason),
    detach() {
      fanout.detach();
      socket.detach();
    },
  };
}

/** Writes a line as a warning of the process. */
export const warn: Log = (_level, { component: _, ...fields }, text) =>
  process.emitWarning(`${text} (${JSON.stringify(fields)})`, "SluiceWarning");
