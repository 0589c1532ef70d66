import type { TemplatedApp } from "uWebSockets.js";
import type { Server } from "socket.io";
import type { CloseReason } from "../core/closes.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import { serveClientFiles } from "./client-files.ts";
import type { Connection, ConnectionNeeds } from "./connection.ts";
import { createDoor, type DoorNeeds, type DoorSamples, type DoorSettings } from "./door.ts";
import { closeInWaves, closeSafely } from "./drain.ts";
import { GatewayEngine } from "./engine.ts";
import type { EngineOptions } from "./engine-io.ts";
import { checkOptions } from "./options.ts";
import { createPressureMonitor } from "./pressure.ts";
import { createSamples, type SocketSamples } from "./samples.ts";
import {
  clientOf,
  eachNamespace,
  type Parser,
  readOptions,
  setParser,
  watchVolatile,
} from "./socket-io.ts";

/** What `socket/` needs of the rooms downstream, and whom it tells. */
export interface SocketNeeds {
  readonly parser: Parser;
  readonly log: Log;
  /** Whether the app speaks TLS. */
  readonly encrypted: boolean;
  /** Whether JSON is accepted; Engine.IO 3 clients, who know nothing else, may come only then. */
  readonly speaksJson: boolean;
  createReader: ConnectionNeeds["createReader"];
  encode: ConnectionNeeds["encode"];
  moved(connection: Connection): void;
  ended(connection: Connection, reason: CloseReason, details: string): void;
  pressuredFor(seconds: number): void;
  /** Who gets in and how much they may take; everyone and anything without it. */
  readonly door?: (DoorNeeds & { readonly settings: DoorSettings }) | undefined;
}

/** The connections of one Socket.IO server. */
export interface SocketRoom {
  readonly samples: SocketSamples;
  /** What the door counted; undefined without one. */
  readonly door: DoorSamples | undefined;
  /**
   * Why every handshake would be refused now; `undefined` while some would not, or while it drains.
   */
  refusing(): FailureCode | undefined;
  /** Connections open now. */
  count(): number;
  /**
   * Refuses new handshakes from now on and closes every connection, paced over `drainMs`; resolves
   * when the last one has been told. `seen` hears how many are left.
   */
  drain(drainMs: number, seen: (left: number) => void): Promise<void>;
  /** Closes every connection at once. */
  closeAll(reason: CloseReason): void;
  /**
   * Stops watching and refuses new handshakes, for good: uWebSockets.js keeps a path's handlers.
   * Connections that are still open stay with the server.
   */
  detach(): void;
}

/** Where the samples count long-polling connections. */
const POLLING_KEYS = ["polling json", "polling msgpack", "polling unknown"];
/** Seconds after which clients refused during a drain may try again, here or elsewhere. */
const RETRY_AFTER_S = 1;

/** The paths of each app that an engine has taken. */
const taken = new WeakMap<TemplatedApp, Set<string>>();

/** Throws where uWebSockets.js would end the process: when a path is to get handlers again. */
function take(app: TemplatedApp, path: string): void {
  const paths = taken.get(app) ?? new Set();
  if (paths.has(path)) {
    throw new Error(
      `${path} of this uWebSockets.js app is taken, for good: use another app or path`,
    );
  }
  taken.set(app, paths.add(path));
}

/**
 * Serves `io` on `app`: binds an engine whose connections decode, count and tell the truth about
 * pressure. Options that `io` was constructed with win over `settings`, as they do in Socket.IO.
 * Throws when the path of `io` on this app has been served before, or an option cannot be honoured.
 */
export function serveSocketIo(
  io: Server,
  app: TemplatedApp,
  settings: Settings["socket"],
  needs: SocketNeeds,
): SocketRoom {
  checkOptions(io);
  take(app, io.path());
  const samples = createSamples();
  let draining = false;
  const ages = createAges(settings.connectionAgeMaxMs);
  const monitor = createPressureMonitor(settings, {
    samples,
    pressuredFor: needs.pressuredFor,
    // Whatever is watched is a connection of this server, not just an outbox.
    seen: ages,
  });
  const door =
    needs.door &&
    createDoor(io, needs.door.settings, needs.door, {
      polling: () => POLLING_KEYS.reduce((sum, key) => sum + (samples.connections[key] ?? 0), 0),
      connections: () => connections(),
    });
  const options = readEngineOptions(io, settings);
  if (!needs.speaksJson) options.allowEIO3 = false;
  const engine = new GatewayEngine(options, {
    samples,
    monitor,
    log: needs.log,
    encrypted: needs.encrypted,
    createReader: needs.createReader,
    encode: needs.encode,
    connectTimeoutMs: () => io.connectTimeout(),
    moved: needs.moved,
    ended: needs.ended,
    door,
    draining: () => (draining ? RETRY_AFTER_S : undefined),
  });
  const unsetParser = setParser(io, needs.parser);
  const unwatch = eachNamespace(io, (namespace) => {
    namespace.prependListener("connection", (socket) => {
      const connection = socket.conn as unknown as Connection; // this engine makes no others
      if (!connection.joined) door?.joined(connection);
      connection.client = clientOf(socket);
      watchVolatile(socket, () => samples.volatileDropped++);
    });
  });
  door?.guard(engine);
  const { addTrailingSlash } = options;
  const path = io.path() || "/"; // Socket.IO takes the slash off its end
  engine.attach(app, { path, ...(addTrailingSlash === false && { addTrailingSlash }) });
  if (io.serveClient()) serveClientFiles(io, app, { ...engine.reading, door });
  io.bind(engine);

  // engine.clients holds what the engine itself made: connections of ours.
  const connections = () => Object.values(engine.clients) as Connection[];
  return {
    samples,
    door: door?.samples,
    refusing: () => door?.refusing(),
    count: () => engine.clientsCount,
    async drain(drainMs, seen) {
      draining = true;
      await closeInWaves(connections, drainMs, seen);
    },
    closeAll(reason) {
      for (const connection of connections()) closeSafely(connection, reason);
    },
    detach() {
      draining = true;
      door?.stop();
      unwatch();
      unsetParser();
      monitor.stop();
    },
  };
}

function readEngineOptions(io: Server, settings: Settings["socket"]): Partial<EngineOptions> {
  const own: Partial<EngineOptions> = {
    pingInterval: settings.pingIntervalMs,
    pingTimeout: settings.pingTimeoutMs,
    upgradeTimeout: settings.upgradeTimeoutMs,
    maxHttpBufferSize: settings.packetBytesMax,
    transports: settings.transports,
    allowEIO3: settings.allowEio3,
  };
  return { ...own, ...readOptions(io) };
}

/** Returns the check of a connection's age: over its limit it is closed so that it comes back. */
function createAges(ageMaxMs: number): (connection: Connection, nowMs: number) => void {
  if (ageMaxMs === 0) return () => {};
  return (connection, nowMs) => {
    // Up to a tenth less, the same for one connection at every look: the moment it opened decides,
    // to the microsecond. Ids may be the application's, and alike.
    const share = (connection.openedAt * 1000) % 100;
    if (nowMs - connection.openedAt > ageMaxMs * (1 - share / 1000)) connection.closeAs("max_age");
  };
}
