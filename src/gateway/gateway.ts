import { Server } from "socket.io";
import { checkWorkers } from "../cluster/worker-settings.ts";
import type { WorkerSide } from "../cluster/workers.ts";
import { CLOSES } from "../core/closes.ts";
import { type Log, silentLog, stderrLog } from "../core/log.ts";
import { messageOf } from "../core/message-of.ts";
import { hideInherited } from "../core/prototype.ts";
import {
  hasUpstream,
  type PartialSettings,
  readSettings,
  type Settings,
} from "../core/settings.ts";
import { createThrottle } from "../core/throttle.ts";
import { readVersion } from "../core/version.ts";
import { createExecutor } from "../fanout/apply.ts";
import { createRecovery, type Recovery } from "../fanout/recovery.ts";
import { createMistakes, type Mistakes } from "../handlers/mistakes.ts";
import { loadHandler } from "../handlers/module.ts";
import { loadNative } from "../host/native.ts";
import { openApp } from "../host/tls.ts";
import { watchLoop } from "../metrics/loop.ts";
import { createMetrics, type Metrics } from "../metrics/registry.ts";
import { shareScrapes } from "../metrics/share.ts";
import { createLoadSampler, type LoadSampler } from "../socket/load.ts";
import type { Load } from "../socket/overload.ts";
import { type Attached, attach } from "./attach.ts";
import { publishMistakes, publishRecovery, publishSamples } from "./publish.ts";
import { closeApp, openDoors, startApi } from "./serve-http.ts";
import type { ServedUpstream, ServeUpstreamNeeds } from "./serve-upstream.ts";

/** A running gateway. */
export interface Gateway {
  /** The Socket.IO server: everything its documentation says works on it. */
  readonly io: Server;
  readonly settings: Settings;
  readonly port: number;
  /** Port of metrics, health and commands; the same as `port` unless `api.port` is set. */
  readonly apiPort: number;
  /** Where clients connect, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /**
   * Serves the certificate that the files of `socket.tls` hold now; see the log for what came of
   * it.
   */
  reload(): void;
  /**
   * Logs and counts what nobody caught, as a mistake of a handler: for `uncaughtException` of a
   * process that is to go on. A gateway listens to nothing of its process by itself.
   */
  uncaught(error: unknown, origin?: string): void;
  /** The text of `/metrics`. */
  scrape(): Promise<string>;
  /**
   * Stops from the door inward: no new handshakes, in-flight acks finish, connections close in
   * waves over `socket.drainMs`, buffers flush. Leaves nothing running. A second call waits for
   * the first.
   */
  stop(): Promise<void>;
}

/** What surrounds a gateway. */
export interface GatewayNeeds {
  readonly log?: Log;
  /** Lines that `log` has dropped so far. */
  readonly linesDropped?: () => number;
  /** Folder that `handlers.module` is relative to. */
  readonly folder?: string;
  readonly production?: boolean;
  /** The load that is shed by; of this process by default. */
  readonly load?: () => Load;
  /** Set in a worker: the port is shared, and its primary knows the metrics of all. */
  readonly worker?: Pick<WorkerSide, "scrape" | "answer" | "isStopping">;
}

/** How long buffers may take to flush after the last connection was told to go. */
const FLUSH_MS = 1200;

/**
 * Starts a gateway; resolves when it listens.
 *
 * Throws `SettingsError` with every problem of `given` at once, or an error of one sentence: no
 * binary for this machine, a handler module that cannot be loaded, a port that is taken. What had
 * been started by then is stopped.
 */
export async function startGateway(
  given: PartialSettings = {},
  needs: GatewayNeeds = {},
): Promise<Gateway> {
  hideInherited();
  const settings = readSettings(given);
  if (needs.worker) checkWorkers(settings);
  const log = needs.log ?? silentLog;
  const undo: (() => unknown)[] = [];
  try {
    const { folder = ".", production = false, load, worker, linesDropped = () => 0 } = needs;
    const logs = { log, handlersLog: needs.log ?? stderrLog, linesDropped };
    return await build(settings, { ...logs, folder, production, load, worker, undo });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

interface Build {
  readonly log: Log;
  linesDropped(): number;
  /** Whoever embeds a gateway without a log sees mistakes of handlers all the same. */
  readonly handlersLog: Log;
  readonly folder: string;
  readonly production: boolean;
  readonly load: (() => Load) | undefined;
  readonly worker: GatewayNeeds["worker"];
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

async function build(settings: Settings, needs: Build): Promise<Gateway> {
  const { log, worker, undo } = needs;
  const native = loadNative();
  const { module } = settings.handlers;
  const handler = module ? await loadHandler<Server>(module, needs.folder) : undefined;
  // Before prom-client looks at garbage collections: it would end the start for what is put there.
  hideInherited();
  const metrics = startMetrics(settings, needs);
  worker?.answer(metrics.counted);
  const opened = openApp(native.uws, settings.socket.tls, log);
  const { app, encrypted, reload } = opened;
  undo.push(() => closeApp(app));
  const mistakes = createMistakes(settings.handlers, {
    log: needs.handlersLog,
    now: () => performance.now(),
  });
  const { io, bus, recovery } = await createServer(settings, { ...needs, metrics });
  const load = createLoad(settings, undo);
  const attached = attachServer(io, opened, {
    ...{ settings, metrics, recovery, needs, mistakes },
    sample: needs.load ?? load.sample,
  });
  bus?.whenLost(() => attached.closeAll("stream_gap"));
  // Sockets leave first: their disconnect calls are among what goes out.
  const calls = { stop: async () => {} };
  undo.push(() => calls.stop());
  undo.push(async () => {
    await io.close();
    attached.detach();
  });
  const executor = createExecutor(settings.fanout, {
    server: io,
    acks: attached.samples().fanout,
  });
  const state = { draining: 0, remaining: 0, starved: false };
  metrics.source(() => ({
    ...publishSamples(attached.samples()),
    ...publishMistakes(mistakes.samples),
    sluice_draining: state.draining,
    sluice_drain_remaining_connections: state.remaining,
  }));
  await handler?.(io);
  hideInherited();
  // After the module, so that its middlewares come first.
  const upstream = await startUpstream(settings, { io, executor, metrics, log, lease: bus?.lease });
  if (upstream.stop) calls.stop = upstream.stop;
  const apiApp = startApi(settings, app, {
    ...{ io, executor, log, undo, deadLetters: upstream.deadLetters },
    count: metrics.count,
    metrics: { ...metrics, scrape: shareScrapes(worker?.scrape ?? metrics.scrape) },
    isAway: () => settings.cluster.away === "refuse" && bus?.link.isHere() === false,
    isDraining: () => state.draining === 1 || worker?.isStopping() === true,
    refusing: () => (state.starved ? "SOCKET_NO_DESCRIPTORS" : attached.refusing()),
  });
  const starved = (paused: boolean): void => {
    state.starved = paused;
    if (paused) metrics.count("sluice_accept_pauses_total");
    const text = paused ? "no file descriptors left: accepting paused" : "accepting again";
    log(paused ? "error" : "info", { room: "socket" }, text);
  };
  const shared = worker !== undefined;
  const doors = await openDoors(settings, { app, apiApp, shared, undo, starved });
  load.begin();
  const about = { room: "gateway", ...doors.ports, uws: native.version, binary: native.binary };
  log("info", about, `listening on port ${doors.ports.port}`);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    state.draining = 1;
    log("info", { room: "gateway", drainMs: settings.socket.drainMs }, "stopping");
    // Other workers take who comes now.
    if (worker) doors.close();
    await attached.drain(settings.socket.drainMs, (left) => {
      state.remaining = left;
    });
    // Long-polling clients fetch what is left over new TCP connections, so the door stays until
    // then.
    await flushed(attached);
    doors.close();
    for (const step of undo.reverse()) await step();
    log("info", { room: "gateway" }, "stopped");
  };
  return {
    io,
    settings,
    ...doors.ports,
    url: `${encrypted ? "https" : "http"}://${urlHost(settings.socket.host)}:${doors.ports.port}`,
    reload,
    uncaught: (error, event) => mistakes.failed(error, { kind: "process", event }),
    scrape: async () => (await metrics.scrape()).body,
    stop: () => (stopped ??= stop()),
  };
}

/** Makes the Socket.IO server, with recovery and with what lies between it and other nodes. */
async function createServer(settings: Settings, needs: Build & { readonly metrics: Metrics }) {
  const { log, metrics, worker, undo } = needs;
  const recovery = createRecovery(settings.recovery);
  undo.push(() => recovery.stop());
  metrics.source(() => publishRecovery(recovery.samples()));
  // Redis and workers are loaded when they are set: a start without them is a third shorter.
  const bus =
    settings.cluster.redisUrl === ""
      ? undefined
      : await (await import("./serve-cluster.ts")).serveCluster(settings, {
          ...{ log, metrics, recovery, undo },
        });
  const between =
    bus?.adapter ??
    (worker && (await import("../cluster/workers.ts")).workersAdapter(workerFailed(log)));
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
    ...(between && { adapter: between as never }), // a class of adapters, as Socket.IO asks for
  });
  return { io, bus, recovery };
}

/** Tells of what could not be said to another worker, once a second. */
function workerFailed(log: Log): (error: unknown) => void {
  const write = createThrottle(log, () => performance.now());
  return (error) => {
    const fields = { room: "cluster", why: messageOf(error).slice(0, 200) };
    write("warn", "worker", fields, "a message between workers failed");
  };
}

interface Attaching {
  readonly settings: Settings;
  readonly metrics: Metrics;
  readonly recovery: Recovery;
  readonly needs: Build;
  readonly mistakes: Mistakes;
  sample(): Load;
}

function attachServer(
  io: Server,
  { app, encrypted }: ReturnType<typeof openApp>,
  { settings, metrics, recovery, mistakes, sample, needs: { log, production } }: Attaching,
): Attached {
  return attach(io, app, pick(settings), {
    ended(connection, reason, details) {
      const fields = { room: "socket", reason, id: connection.id, details };
      log("debug", fields, `connection closed: ${CLOSES[reason].text}`);
    },
    pressuredFor: (seconds) => metrics.observe("sluice_pressure_seconds", seconds),
    encrypted,
    log,
    door: {
      settings,
      log,
      handlerFailed: mistakes.failed,
      production,
      sample,
      authenticatedIn: (seconds) => metrics.observe("sluice_authentication_seconds", seconds),
      recovering: recovery.during,
    },
  });
}

function pick({ socket, codec, fanout }: Settings): Pick<Settings, "socket" | "codec" | "fanout"> {
  return { socket, codec, fanout };
}

/** The load that is shed by. It is none until `begin`: the lag of a start is nobody's load. */
function createLoad({ overload }: Settings, undo: Build["undo"]) {
  let sampler: LoadSampler | undefined;
  undo.push(() => sampler?.stop());
  return {
    sample: (): Load => sampler?.sample() ?? { lagMs: 0, memoryPercent: 0 },
    begin(): void {
      if (overload.enabled) sampler = createLoadSampler(overload.memoryBytesMax);
    },
  };
}

/** Calls to functions, where the settings name any; loaded only then, as the bus is. */
async function startUpstream(
  settings: Settings,
  needs: ServeUpstreamNeeds,
): Promise<Partial<ServedUpstream>> {
  if (!hasUpstream(settings) && settings.auth.mode !== "upstream") return {};
  const { serveUpstream } = await import("./serve-upstream.ts");
  return serveUpstream(settings, needs);
}

function startMetrics(settings: Settings, { undo, linesDropped }: Build): Metrics {
  const metrics = createMetrics(settings.metrics);
  const loop = watchLoop();
  undo.push(
    () => metrics.stop(),
    () => loop.stop(),
  );
  const { version, binary } = loadNative();
  const build = { version: readVersion(), uws: version, binary, node: process.versions.node };
  metrics.source(() => ({
    ...loop.read(),
    sluice_build_info: [[build, 1]],
    sluice_log_lines_dropped_total: linesDropped(),
  }));
  return metrics;
}

/** Resolves when no connection is left that has something to send, or after {@link FLUSH_MS}. */
async function flushed(attached: ReturnType<typeof attach>): Promise<void> {
  const end = Date.now() + FLUSH_MS;
  const open = () =>
    Object.values(attached.samples().socket.connections).some((count) => count > 0);
  while (open() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::" || host === "") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
