import { type DefaultEventsMap, Server } from "socket.io";
import type { WorkerSide } from "../cluster/workers.ts";
import { createKeptLines, type KeptLine } from "../console/lines.ts";
import { CLOSES } from "../core/closes.ts";
import { type Log, silentLog, stderrLog } from "../core/log.ts";
import { hasUpstream, keepsInRedis, readSettings } from "../core/settings.ts";
import type { PartialSettings, Settings } from "../core/settings-shape.ts";
import type { Tracer } from "../core/trace.ts";
import { readVersion } from "../core/version.ts";
import { hideInherited } from "../core/zod.ts";
import { createDoor } from "../door/door.ts";
import type { Load } from "../door/overload.ts";
import { createExecutor } from "../fanout/apply.ts";
import { createRecovery, type Recovery } from "../fanout/recovery.ts";
import { createGuards } from "../handlers/guards.ts";
import { createMistakes, type Mistakes } from "../handlers/mistakes.ts";
import { type LoadedModule, loadHandler } from "../handlers/module.ts";
import type { EventsMap, Unchecked } from "../handlers/typed.ts";
import { loadNative } from "../host/native.ts";
import { openApp } from "../host/tls.ts";
import type { FetchHandler } from "../http/fetch.ts";
import type { NodeHandler } from "../http/node.ts";
import { watchLoop } from "../metrics/loop.ts";
import { createMetrics, type Metrics, shareScrapes } from "../metrics/registry.ts";
import { checkSettings } from "./check-settings.ts";
import { logMembership } from "./debug-lines.ts";
import {
  listAttachedRows,
  listDoorRows,
  listMistakeRows,
  listProcessRows,
  listRecoveryRows,
} from "./metric-rows.ts";
import { keepDelays } from "./serve-delays.ts";
import { closeApp, serveHttp, urlHost } from "./serve-http.ts";
import { serveSocket } from "./serve-socket.ts";
import type { serveTrace as ServeTrace } from "./serve-trace.ts";
import type { ServedUpstream, ServeUpstreamNeeds } from "./serve-upstream.ts";
import { logStarted } from "./start-lines.ts";
import { createPauseListener, type State, stopAll } from "./stop.ts";

/** A running gateway. Its parameters are those of {@link startGateway}. */
export interface Gateway<
  ClientToServer extends EventsMap = DefaultEventsMap,
  ServerToClient extends EventsMap = ClientToServer,
  ServerSide extends EventsMap = DefaultEventsMap,
  Data = Unchecked,
> {
  /**
   * The Socket.IO server. It works as Socket.IO's documentation says. With Redis or workers a
   * broadcast comes back from there first, so a later `socket.emit` may overtake it; `io.local`
   * waits for nothing (docs/operating.md, Order).
   */
  readonly io: Server<ClientToServer, ServerToClient, ServerSide, Data>;
  /** All settings, with the defaults of those that were not given. */
  readonly settings: Settings;
  /** The port that the gateway listens on, also where `socket.port` is 0. */
  readonly port: number;
  /** Port of metrics, health and commands; the same as `port` unless `api.port` is set. */
  readonly apiPort: number;
  /** Where clients connect, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /**
   * The address of the console, if it is served. While developing it holds the key that was made
   * for this start, behind the `#`, so that browsers never send it as part of the address.
   */
  readonly consoleUrl: string | undefined;
  /**
   * Reads the certificate files of `socket.tls` again, and serves the new certificate. The log says
   * whether that worked.
   */
  reload(): void;
  /**
   * Logs and counts an error as a failure of a handler. Call it from `uncaughtException` if the
   * process should go on; a gateway adds no listeners to its process by itself.
   */
  uncaught(error: unknown, event?: string): void;
  /** Resolves with the text of `/metrics`. */
  scrape(): Promise<string>;
  /**
   * Stops the gateway: new handshakes are refused, in-flight acks finish, connections close in
   * waves over `socket.drainMs`, buffers flush. Leaves nothing running. A second call waits for the
   * first.
   */
  stop(): Promise<void>;
}

/** What a gateway gets from its process, besides its settings. */
export interface GatewayNeeds {
  /** Gets log lines. Default: only failures of handlers are written, to stderr. */
  readonly log?: Log;
  /** Returns how many lines `log` has dropped so far, for metrics. Default: none. */
  readonly linesDropped?: () => number;
  /** The folder that `handlers.module` is relative to. Default: the current folder. */
  readonly folder?: string;
  /** Whether a gateway that lets every client in logs that as a warning. Default: false. */
  readonly production?: boolean;
  /**
   * Whether somebody develops with this gateway. If no key and no token opens the API, one key is
   * then made for this start, which is in `consoleUrl` and in the log. Default: false.
   */
  readonly developing?: boolean;
  /**
   * Your own HTTP, on the same port: answers every request for a path that is not Sluice's. Takes
   * a Web `Request` and returns a `Response`, such as `app.fetch` of Hono (docs/http.md).
   */
  readonly fetch?: FetchHandler;
  /**
   * As `fetch`, in the form of Node.js: `(req, res) => void`, such as an Express app, or an
   * `http.Server` that does not listen. Give one of the two.
   */
  readonly http?: NodeHandler;
}

/** What only this project's own process and tests give. */
export interface OwnNeeds extends GatewayNeeds {
  /** Whether the handler module is the chat example, because nothing else was set. */
  readonly example?: boolean | undefined;
  /** Returns what the line of a stop says after the number of clients. Default: nothing. */
  readonly stopNote?: () => string;
  /** Returns the load on which shedding depends. Default: that of this process. */
  readonly load?: () => Load;
  /** Set in a worker: workers share the port, and the primary adds up their metrics. */
  readonly worker?: Pick<WorkerSide, "scrape" | "answer" | "isStopping" | "joinBus">;
  /** Gets the server, and resolves with where to listen. If it rejects, all is stopped. */
  readonly prepared?: (io: Server) => Promise<Listen>;
}

/** Where a gateway listens. */
export type Listen = Partial<Pick<Settings["socket"], "host" | "port">>;

/** Warnings and errors that the console shows. */
const LINES_KEPT = 200;
/** How long Redis or the primary may take for the last broadcasts, before a drain and after it. */
const SETTLE_MS = 300;

/**
 * Starts a gateway; resolves when it listens.
 *
 * Throws `SettingsError` with every problem of `given` at once, or an Error of one sentence: no
 * binary for this machine, a handler module that cannot be loaded, a port in use. Everything
 * started before the error is stopped.
 *
 * The parameters are those of Socket.IO's `Server`, with its defaults: events that clients send,
 * events that they get, events between nodes (`io.serverSideEmit`), and `socket.data`. They check
 * your code only; what a client really sends is up to the client.
 */
export async function startGateway<
  ClientToServer extends EventsMap = DefaultEventsMap,
  ServerToClient extends EventsMap = ClientToServer,
  ServerSide extends EventsMap = DefaultEventsMap,
  Data = Unchecked,
>(
  given: PartialSettings = {},
  needs: GatewayNeeds = {},
): Promise<Gateway<ClientToServer, ServerToClient, ServerSide, Data>> {
  return await startOwn(given, needs);
}

/** Does what {@link startGateway} promises, also for workers and for tests that set the load. */
export async function startOwn(given: PartialSettings, needs: OwnNeeds): Promise<Gateway> {
  hideInherited();
  const settings = readSettings(given);
  const { folder = ".", worker } = needs;
  // The primary of workers has done it for all of them.
  if (!worker) await checkSettings(settings, { folder, hasWorkers: false });
  const lines = createKeptLines(LINES_KEPT);
  const log = lines.keep(needs.log ?? silentLog);
  const undo: (() => unknown)[] = [];
  try {
    const { production = false, example = false, load } = needs;
    const { developing = false } = needs;
    const { linesDropped = () => 0, stopNote = () => "" } = needs;
    const { fetch, http, prepared } = needs;
    const how = { folder, production, example, developing, load, worker, fetch, http, prepared };
    const handlersLog = needs.log ? log : lines.keep(stderrLog);
    const logs = { log, handlersLog, lines: lines.list, linesDropped, stopNote };
    return await build(settings, { ...logs, ...how, undo });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

interface Build {
  readonly log: Log;
  linesDropped(): number;
  /** Logs failures of handlers; writes to stderr where an embedded gateway has no log. */
  readonly handlersLog: Log;
  /** The latest warnings and errors. */
  lines(): readonly KeptLine[];
  readonly folder: string;
  readonly production: boolean;
  readonly example: boolean;
  stopNote(): string;
  readonly developing: boolean;
  readonly load: (() => Load) | undefined;
  readonly worker: OwnNeeds["worker"];
  readonly prepared: OwnNeeds["prepared"] | undefined;
  readonly fetch: GatewayNeeds["fetch"] | undefined;
  readonly http: GatewayNeeds["http"] | undefined;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

const now = () => performance.now();

/** Creates and starts everything, in the order in which a part needs others. */
async function build(settings: Settings, needs: Build): Promise<Gateway> {
  const { log, worker, undo } = needs;
  const native = loadNative();
  const { module } = settings.handlers;
  const loaded = module ? await loadHandler(module, needs.folder) : undefined;
  // Again, after the module was loaded: prom-client fails on properties added to prototypes.
  hideInherited();
  const state = { isDraining: false, remaining: 0, acceptsPaused: false, acceptPauses: 0 };
  const metrics = startMetrics(settings, { ...needs, state });
  worker?.answer(metrics.counted);
  const trace = await startTrace(settings, { log, metrics, undo });
  const opened = openApp(native.uws, settings.socket.tls, log);
  const { app, encrypted, reload } = opened;
  undo.push(() => closeApp(app));
  const mistakes = createMistakes(settings.handlers, { log: needs.handlersLog, now });
  const between = await createServer(settings, { ...needs, metrics });
  const { io, bus, recovery, settle } = between;
  const served = { settings, metrics, recovery, needs, mistakes };
  const { attached, door } = attachServer(io, opened, served);
  undo.push(async () => {
    await settle();
    await io.close();
    attached.detach();
  });
  // After the sockets have left, so that their disconnect calls are made; before the adapters are
  // closed, so that what the functions answer is carried out.
  const delays = keepDelays(settings, { log, metrics, undo, delays: between.delays });
  const calls = { stop: async () => {} };
  undo.push(() => calls.stop());
  const acks = attached.samples().fanout;
  const executor = createExecutor(settings.fanout, { server: io, acks, delays, trace });
  metrics.source(() => listMistakeRows(mistakes.samples));
  await prepare(io, settings, { loaded, prepared: needs.prepared });
  // After the handler module, so that the module's middlewares run first.
  const room = { io, executor, trace, log };
  const hasWorkers = worker !== undefined && settings.cluster.redisUrl === "";
  const upstream = await startUpstream(settings, { ...bus, ...room, metrics, hasWorkers });
  if (upstream.stop) calls.stop = upstream.stop;
  const { ports, close, consoleUrl, drainHttp } = await serveHttp(settings, opened, {
    ...{ ...needs, ...room, deadLetters: upstream.deadLetters, loaded, failed: mistakes.failed },
    metrics: { ...metrics, scrape: shareScrapes(worker?.scrape ?? metrics.scrape) },
    isAway: () => settings.cluster.away === "refuse" && bus?.link.isHere() === false,
    isDraining: () => state.isDraining || worker?.isStopping() === true,
    refusing: () => (state.acceptsPaused ? "SOCKET_NO_DESCRIPTORS" : door.refusing()),
    shared: worker !== undefined,
    paused: createPauseListener(state, log),
  });
  door.begin();
  delays.carryOut(executor);
  const { version: uws, binary } = native;
  logStarted(settings, { ...needs, consoleUrl }, { ...ports, uws, binary });
  let stopped: Promise<void> | undefined;
  const stopping = { attached, state, settle, close, drainHttp };
  return {
    io,
    settings,
    ...ports,
    url: `${encrypted ? "https" : "http"}://${urlHost(settings.socket.host)}:${ports.port}`,
    consoleUrl,
    reload,
    uncaught: (error, event) => mistakes.failed(error, { kind: "process", event }),
    scrape: async () => (await metrics.scrape()).body,
    stop: () => (stopped ??= stopAll(settings.socket, needs, stopping)),
  };
}

/** Lets the application add its handlers, and say where to listen: nothing has read that yet. */
async function prepare(
  io: Server,
  { socket }: Settings,
  on: Pick<Build, "prepared"> & { readonly loaded: LoadedModule | undefined },
): Promise<void> {
  await on.loaded?.start(io);
  Object.assign(socket, await on.prepared?.(io));
  hideInherited();
}

/** Creates the Socket.IO server, with recovery and the adapter to other nodes or workers. */
async function createServer(settings: Settings, needs: Build & { readonly metrics: Metrics }) {
  const { log, metrics, worker, undo } = needs;
  const recovery = createRecovery(settings.recovery);
  undo.push(() => recovery.stop());
  metrics.source(() => listRecoveryRows(recovery.samples()));
  // Load the code for Redis and workers only if they are set: that shortens the start by a third.
  const bus =
    settings.cluster.redisUrl === ""
      ? undefined
      : await (await import("./serve-cluster.ts")).serveCluster(settings, {
          ...{ log, metrics, recovery, undo },
        });
  const between =
    bus ??
    (worker &&
      (await import("./serve-workers.ts")).serveWorkers(settings, {
        ...{ log, metrics, recovery, undo, worker },
      }));
  const io = new Server({
    path: settings.socket.path,
    connectTimeout: settings.socket.connectTimeoutMs,
    serveClient: settings.socket.serveClient,
    ...(settings.recovery.windowMs > 0 && {
      adapter: recovery.adapter,
      connectionStateRecovery: {
        maxDisconnectionDuration: settings.recovery.windowMs,
        skipMiddlewares: false,
      },
    }),
    ...(between && { adapter: between.adapter as never }), // an adapter class, as Socket.IO expects
  });
  const settle = async () => between?.settle(SETTLE_MS);
  return { io, bus, recovery, settle, delays: between?.delays };
}

function attachServer(
  io: Server,
  { app, encrypted }: ReturnType<typeof openApp>,
  on: {
    readonly settings: Settings;
    readonly metrics: Metrics;
    readonly recovery: Recovery;
    readonly needs: Build;
    readonly mistakes: Mistakes;
  },
) {
  const { settings, metrics } = on;
  const { log, load, undo } = on.needs;
  const guards = createGuards(on.mistakes.failed);
  const door = createDoor(io, settings, {
    ...{ log, guards, load, handlerFailed: on.mistakes.failed },
    authenticatedIn: (seconds) => metrics.observe("sluice_authentication_seconds", seconds),
    recovering: on.recovery.during,
    polling: () => attached.polling(),
    connections: () => attached.connections(),
  });
  undo.push(() => door.stop());
  const attached = serveSocket(io, app, settings, {
    ended(connection, reason, details) {
      const fields = { component: "socket", reason, id: connection.id, details };
      log("debug", fields, `connection closed: ${CLOSES[reason].text}`);
    },
    pressuredFor: (seconds) => metrics.observe("sluice_pressure_seconds", seconds),
    ...{ encrypted, log, door, guard: guards.engine },
  });
  if (settings.log.level === "debug") undo.push(logMembership(io, log));
  metrics.source(() => listAttachedRows(attached.samples()));
  metrics.source(() => listDoorRows(door.samples));
  return { attached, door };
}

/** Starts to trace if the settings say where to; loads the code of OpenTelemetry only then. */
async function startTrace(
  settings: Settings,
  needs: Parameters<typeof ServeTrace>[1],
): Promise<Tracer | undefined> {
  if (settings.trace.otlpUrl === "") return undefined;
  return (await import("./serve-trace.ts")).serveTrace(settings, needs);
}

/** Starts the calls to functions if the settings name any; loads their code only then. */
async function startUpstream(
  settings: Settings,
  needs: ServeUpstreamNeeds,
): Promise<Partial<ServedUpstream>> {
  if (!hasUpstream(settings) && settings.auth.mode !== "upstream") return {};
  const { serveUpstream } = await import("./serve-upstream.ts");
  return serveUpstream(settings, needs);
}

function startMetrics(
  settings: Settings,
  { undo, linesDropped, state }: Build & { readonly state: Readonly<State> },
): Metrics {
  const metrics = createMetrics({ ...settings.metrics, isShared: keepsInRedis(settings) });
  const loop = watchLoop();
  undo.push(
    () => metrics.stop(),
    () => loop.stop(),
  );
  const { version, binary } = loadNative();
  const build = { version: readVersion(), uws: version, binary, node: process.versions.node };
  metrics.source(
    () => listProcessRows({ build, loop: loop.read(), linesDropped: linesDropped(), ...state }),
    "scraped",
  );
  return metrics;
}
