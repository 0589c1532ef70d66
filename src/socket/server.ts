import type { TemplatedApp } from "uWebSockets.js";
import type { Server } from "socket.io";
import type { CloseReason } from "../core/closes.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { EngineOptions, EngineServerBase } from "../seam/engine-io.ts";
import {
  clientOf,
  connectionOf,
  eachNamespace,
  readOptions,
  setParser,
} from "../seam/socket-io.ts";
import { bindEngine } from "../seam/socket-io-client.ts";
import { checkSocketIo, type Parser } from "../seam/socket-io-inside.ts";
import { serveClientFiles } from "./client-files.ts";
import type { Connection, ConnectionNeeds } from "./connection.ts";
import { closeInWaves, closeSafely } from "./drain.ts";
import { GatewayEngine } from "./engine.ts";
import { checkOptions } from "./options.ts";
import { createPressureMonitor } from "./pressure.ts";
import type { Door } from "./respond.ts";
import { CONNECTION_KEYS, createSamples, type SocketSamples } from "./samples.ts";

/** What `socket/` needs from other rooms. */
export interface SocketNeeds {
  readonly parser: Parser;
  readonly log: Log;
  /** Whether the app speaks TLS. */
  readonly encrypted: boolean;
  /** Whether JSON is accepted. If not, Engine.IO 3 clients, which only use JSON, are refused. */
  readonly speaksJson: boolean;
  createReader: ConnectionNeeds["createReader"];
  encode: ConnectionNeeds["encode"];
  readonly writes: ConnectionNeeds["writes"];
  moved(connection: Connection): void;
  heard(connection: Connection): void;
  ended(connection: Connection, reason: CloseReason, details: string): void;
  pressuredFor(seconds: number): void;
  readonly door?: Door | undefined;
  /** Called with the engine before it serves requests. */
  guard?(engine: EngineServerBase): void;
}

/** The connections of one Socket.IO server. */
export interface SocketRoom {
  readonly samples: SocketSamples;
  /** The open connections. */
  connections(): readonly Connection[];
  /** Number of open long-polling connections. */
  polling(): number;
  /**
   * Refuses new handshakes from now on and closes every connection, spread over `drainMs` once
   * `settled` has resolved. Resolves when the last close was sent. Calls `seen` with the number of
   * connections left.
   */
  drain(drainMs: number, seen: (left: number) => void, settled?: Promise<void>): Promise<void>;
  /** Ends every connection at once, whatever is unsent. */
  closeAll(reason: CloseReason): void;
  /**
   * Stops watching, and refuses new handshakes for good: uWebSockets.js cannot remove a path's
   * handlers. Open connections stay open.
   */
  detach(): void;
}

const POLLING_KEYS = Object.values(CONNECTION_KEYS.polling);
/** Seconds after which a client that was refused during a drain may retry. */
const RETRY_AFTER_S = 1;

/** The paths of each app that have had an engine. */
const usedPaths = new WeakMap<TemplatedApp, Set<string>>();

/** Throws if a path already has an engine. uWebSockets.js itself would end the process. */
function claimPath(app: TemplatedApp, path: string): void {
  const paths = usedPaths.get(app) ?? new Set();
  if (paths.has(path)) {
    throw new Error(
      `${path} of this uWebSockets.js app is taken, for good: use another app or path`,
    );
  }
  usedPaths.set(app, paths.add(path));
}

/**
 * Serves `io` on `app`, with an engine whose connections report real backpressure. Options that
 * `io` was constructed with win over `settings`. Throws if the path of `io` on this app has been
 * served before, or if an option cannot be honoured.
 */
// biome-ignore lint/complexity/useMaxParams: io and app are joined here, by settings and needs.
export function serveSocketIo(
  io: Server,
  app: TemplatedApp,
  settings: Settings["socket"],
  needs: SocketNeeds,
): SocketRoom {
  checkSocketIo(io);
  checkOptions(io);
  claimPath(app, io.path());
  const samples = createSamples();
  let draining = false;
  const checkAge = createAges(settings.connectionAgeMaxMs);
  const options = readEngineOptions(io, settings);
  const watched = { ...settings, beatMs: Math.min(options.pingInterval, options.pingTimeout) };
  const monitor = createPressureMonitor(watched, {
    samples,
    pressuredFor: needs.pressuredFor,
    written: needs.writes.count,
    checked(connection: Connection, nowMs) {
      checkAge(connection, nowMs);
      connection.checkJoined(nowMs);
      needs.door?.check(connection);
    },
  });
  if (!needs.speaksJson) options.allowEIO3 = false;
  const engine = new GatewayEngine(options, {
    samples,
    monitor,
    log: needs.log,
    encrypted: needs.encrypted,
    proxyProtocol: settings.proxyProtocol,
    createReader: needs.createReader,
    encode: needs.encode,
    writes: needs.writes,
    connectTimeoutMs: () => io.connectTimeout(),
    moved: needs.moved,
    heard: needs.heard,
    ended: needs.ended,
    door: needs.door,
    draining: () => (draining ? RETRY_AFTER_S : undefined),
  });
  const unsetParser = setParser(io, needs.parser);
  const unwatch = watchConnections(io, needs.door);
  needs.guard?.(engine);
  const { addTrailingSlash } = options;
  const path = io.path() || "/"; // Socket.IO removes the trailing slash
  engine.attach(app, { path, ...(addTrailingSlash === false && { addTrailingSlash }) });
  if (io.serveClient()) serveClientFiles(io, app, { ...engine.reading, door: needs.door });
  bindEngine(io, engine, () => samples.volatileDropped++);

  // The cast holds: GatewayEngine creates every connection in `clients`.
  const connections = () => Object.values(engine.clients) as Connection[];
  return {
    samples,
    connections,
    polling: () => POLLING_KEYS.reduce((sum, key) => sum + samples.connections[key], 0),
    async drain(drainMs, seen, settled) {
      draining = true;
      await settled;
      await closeInWaves(connections, drainMs, seen);
    },
    closeAll(reason) {
      for (const connection of connections()) closeSafely(connection, reason, "cut");
    },
    detach() {
      draining = true;
      unwatch();
      unsetParser();
      monitor.stop();
    },
  };
}

/** Tells the door and each connection when a socket joins; returns a function that stops that. */
function watchConnections(io: Server, door: Door | undefined): () => void {
  return eachNamespace(io, (namespace) => {
    namespace.prependListener("connection", (socket) => {
      const connection = connectionOf<Connection>(socket);
      if (!connection.joined) door?.joined(connection);
      connection.client = clientOf(socket);
    });
  });
}

function readEngineOptions(io: Server, settings: Settings["socket"]) {
  const own = {
    pingInterval: settings.pingIntervalMs,
    pingTimeout: settings.pingTimeoutMs,
    upgradeTimeout: settings.upgradeTimeoutMs,
    maxHttpBufferSize: settings.packetBytesMax,
    transports: settings.transports,
    allowEIO3: settings.allowEio3,
  };
  // The cast holds: `readOptions` gives what the application set, in engine.io's own types.
  const given = readOptions(io) as Partial<EngineOptions>;
  return { ...own, ...given } satisfies Partial<EngineOptions>;
}

/** Returns the function that closes connections above the age limit; their clients reconnect. */
function createAges(ageMaxMs: number): (connection: Connection, nowMs: number) => void {
  if (ageMaxMs === 0) return () => {};
  return (connection, nowMs) => {
    // Shorten the limit by 0 to 10 %, so that connections of one moment do not all reconnect at
    // once. The share must be the same at each check, so it is taken from the microseconds of
    // openedAt. Ids would not do: the application may choose similar ones.
    const share = (connection.openedAt * 1000) % 100;
    if (nowMs - connection.openedAt > ageMaxMs * (1 - share / 1000)) connection.closeAs("max_age");
  };
}
