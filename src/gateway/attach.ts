import type { Server } from "socket.io";
import { createCodec } from "../codec/codec.ts";
import type { CloseReason } from "../core/closes.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import { hideInherited } from "../core/prototype.ts";
import { type PartialSettings, readSettings } from "../core/settings.ts";
import { createFanout } from "../fanout/fanout.ts";
import type { TemplatedApp } from "../host/native.ts";
import type { Connection } from "../socket/connection.ts";
import { type SocketNeeds, type SocketRoom, serveSocketIo } from "../socket/server.ts";

/** What someone who attaches may want to hear of. */
export interface AttachWatch {
  /** Whether the app speaks TLS; `handshake.secure` says so. */
  readonly encrypted?: boolean;
  /** Lines about what goes wrong; without it they are warnings of the process. */
  readonly log?: Log;
  /** A connection is over. */
  readonly ended?: (connection: Connection, reason: CloseReason, details: string) => void;
  /** A connection was under pressure for so long, in seconds. */
  readonly pressuredFor?: (seconds: number) => void;
  /** Who gets in and how much they may take; without it that is left to the server's owner. */
  readonly door?: SocketNeeds["door"];
}

/** A Socket.IO server that Sluice's engine, codec and fan-out serve. */
export interface Attached {
  /** Everything counted so far, as plain numbers. */
  samples(): AttachedSamples;
  /** Why every handshake would be refused now, by the door; `undefined` while some would not. */
  refusing(): FailureCode | undefined;
  /** Closes every connection, paced over `drainMs`; `seen` hears how many are left. */
  drain(drainMs: number, seen?: (left: number) => void): Promise<void>;
  /** Closes every connection at once. */
  closeAll(reason: CloseReason): void;
  /**
   * Gives the server its own parser and delivery back, and refuses whoever still comes to its path
   * on the app with 503. Call it after `io.close()`.
   */
  detach(): void;
}

/** The plain numbers of the three rooms. */
export interface AttachedSamples {
  readonly socket: SocketRoom["samples"];
  readonly door: SocketRoom["door"];
  readonly codec: ReturnType<ReturnType<typeof createCodec>["samples"]>;
  readonly fanout: ReturnType<ReturnType<typeof createFanout>["samples"]>;
}

/**
 * Serves a Socket.IO server on a uWebSockets.js app, in the place of `io.attachApp(app)`.
 *
 * Every broadcast is native, pressure is truthful, and msgpack and JSON clients share rooms.
 * Options `io` was constructed with win over `given`, its parser excepted: both codecs are Sluice's
 * own. An option that cannot be honoured is refused (docs/options.md). The client's bundles are
 * served too. Throws `SettingsError` when a setting is out of its bounds, and an error of a
 * sentence when `io` is attached already or its path on `app` ever was: uWebSockets.js gives no
 * path back.
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
  fanout.register(io); // first: it refuses a server that is attached already
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
