import type { Server } from "socket.io";
import { createCodec } from "../codec/codec.ts";
import type { CloseReason } from "../core/closes.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import { type PartialSettings, readSettings } from "../core/settings.ts";
import { hideInherited } from "../core/zod.ts";
import { createFanout } from "../fanout/fanout.ts";
import type { TemplatedApp } from "../host/native.ts";
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
  /** Authentication and limits; without it they are up to the application. */
  readonly door?: SocketNeeds["door"];
}

/** A Socket.IO server that Sluice serves. */
export interface Attached {
  /** Returns everything counted so far, as plain numbers. */
  samples(): AttachedSamples;
  /** Why every handshake would be refused now; undefined if some would not. */
  refusing(): FailureCode | undefined;
  /** Closes every connection, spread over `drainMs`. Calls `seen` with how many are left. */
  drain(drainMs: number, seen?: (left: number) => void): Promise<void>;
  /** Closes every connection at once. */
  closeAll(reason: CloseReason): void;
  /**
   * Restores the server's own parser and delivery. From then on its path on the app answers
   * handshakes with 503. Call it after `io.close()`.
   */
  detach(): void;
}

/** The counters of an attached server. */
export interface AttachedSamples {
  readonly socket: SocketRoom["samples"];
  readonly door: SocketRoom["door"];
  readonly codec: ReturnType<ReturnType<typeof createCodec>["samples"]>;
  readonly fanout: ReturnType<ReturnType<typeof createFanout>["samples"]>;
}

/**
 * Serves a Socket.IO server on a uWebSockets.js app, in the place of `io.attachApp(app)`.
 *
 * Broadcasts are published by uWebSockets.js, backpressure is real, and msgpack and JSON clients
 * share rooms. Options that `io` was constructed with win over `given`, except its parser: both
 * codecs are Sluice's own. An option that cannot be honoured is refused (docs/options.md). The
 * client bundles are served too.
 *
 * Throws `SettingsError` if a setting is out of bounds. Throws an Error if `io` is attached
 * already, or if its path on `app` ever was: uWebSockets.js cannot remove a path's handlers.
 */
export function attach(
  io: Server,
  app: TemplatedApp,
  given: Pick<PartialSettings, "socket" | "codec" | "fanout"> = {},
  watch: AttachWatch = {},
): Attached {
  hideInherited();
  const settings = readSettings(given);
  const codec = createCodec({
    ...settings.codec,
    packetBytesMax: settings.socket.packetBytesMax,
  });
  const fanout = createFanout(
    { ...settings.fanout, bufferBytesMax: settings.socket.bufferBytesMax },
    {
      publish: (topic, frame) => void app.publish(topic, frame, typeof frame !== "string", false),
    },
  );
  const needs: SocketNeeds = {
    parser: codec.parser,
    log: watch.log ?? warn,
    encrypted: watch.encrypted ?? false,
    speaksJson: settings.codec.accept !== "msgpack",
    createReader: codec.createReader,
    encode: codec.encode,
    moved: fanout.moved,
    ended: watch.ended ?? (() => {}),
    pressuredFor: watch.pressuredFor ?? (() => {}),
    door: watch.door,
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
      door: socket.door,
      codec: codec.samples(),
      fanout: fanout.samples(),
    }),
    refusing: () => socket.refusing(),
    drain: (drainMs, seen = () => {}) => socket.drain(drainMs, seen),
    closeAll: (reason) => socket.closeAll(reason),
    detach() {
      fanout.detach();
      socket.detach();
    },
  };
}

const warn: Log = (_level, { room: _, ...fields }, text) =>
  process.emitWarning(`${text} (${JSON.stringify(fields)})`, "SluiceWarning");
