import type { Server } from "socket.io";
import type { Api } from "../api/api.ts";
import { startConsole } from "../console/console.ts";
import type { KeptLine } from "../console/lines.ts";
import { connectNodes } from "../console/nodes.ts";
import { hasUpstream, type Settings, SettingsError } from "../core/settings.ts";
import { readVersion } from "../core/version.ts";
import type { Executor } from "../fanout/apply.ts";
import { isAlone } from "../fanout/namespaces.ts";
import type { Http } from "../host/http.ts";
import type { Metrics } from "../metrics/registry.ts";
import { namespacesOf } from "../seam/socket-io.ts";

/** What {@link serveConsole} needs. */
export interface ServeConsoleNeeds {
  readonly io: Server;
  readonly http: Http;
  readonly api: Api;
  readonly executor: Executor;
  readonly metrics: Metrics;
  readonly undo: (() => unknown)[];
  /** The latest warnings and errors. */
  lines(): readonly KeptLine[];
  /** Whether somebody develops with this gateway. */
  readonly developing: boolean;
  /** The port of the clients, if the API has one of its own. */
  clientPort(): number | undefined;
}

/**
 * Adds the console to the routes of the API. Throws {@link SettingsError} if the metrics have one
 * of its paths: only one of the two would be served.
 */
export function serveConsole(settings: Settings, needs: ServeConsoleNeeds): void {
  const { io, http, api, executor, metrics, undo } = needs;
  const { codec, auth, socket } = settings;
  checkMetricsPath(settings.metrics.path);
  const { watch } = settings.console;
  const canWatch = watch === "on" || (watch === "auto" && needs.developing);
  const nodes = connectNodes(io, { version: readVersion(), isAlone: () => isAlone(io.of("/")) });
  undo.push(() => nodes.stop());
  const running = startConsole(settings.console, {
    ...{ route: http.route, guarded: api.console.get, commands: api.console.commands },
    ...{ io, apply: executor.apply, rooms: executor.rooms, nodes, isWatchable: canWatch },
    ...{ clientPort: needs.clientPort, lines: needs.lines },
    samples: () => metrics.read() as Record<string, number>, // both are samples by metric
    about: () => ({
      version: readVersion(),
      developing: needs.developing,
      clientPort: needs.clientPort(),
      path: socket.path,
      transports: socket.transports,
      codecs: codec.accept,
      auth: auth.mode,
      namespaces: [...namespacesOf(io).keys()].slice(0, 1000),
      hasFunctions: hasUpstream(settings),
      hasOthers: !isAlone(io.of("/")),
      metricsPath: settings.metrics.path,
      historyMs: settings.console.historyMs,
      canWatch,
      isChat: /examples[/\\]chat\.[jt]s$/.test(settings.handlers.module),
    }),
  });
  undo.push(() => running.stop());
}

function checkMetricsPath(path: string): void {
  if (path !== "/console" && !path.startsWith("/console/")) return;
  const bound = "is a path of the console";
  throw new SettingsError([{ path: "metrics.path", value: JSON.stringify(path), bound }]);
}
