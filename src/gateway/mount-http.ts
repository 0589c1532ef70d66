import type { HandlerFailed } from "../core/handler.ts";
import type { Log } from "../core/log.ts";
import { readSettings } from "../core/settings.ts";
import type { PartialSettings } from "../core/settings-shape.ts";
import { createHttp } from "../host/http.ts";
import type { TemplatedApp } from "../host/native.ts";
import type { FetchHandler } from "../http/fetch.ts";
import type { NodeHandler } from "../http/node.ts";
import { type AppSamples, createAppServer } from "../http/server.ts";
import { checkApp } from "./attach-checks.ts";
import { mountServer, readHandler } from "./serve-app.ts";
import { warn } from "./serve-socket.ts";

/** Optional facts and callbacks of {@link mountHttp}. */
export interface MountWatch {
  /** Whether the app uses TLS. Default: false. */
  readonly encrypted?: boolean;
  /** Gets log lines about problems, and at debug one for each request. Default: warnings only. */
  readonly log?: Log;
  /** Called with what the handler throws. Default: `log`. */
  readonly failed?: (error: unknown) => void;
  /** Called at the end of each request with how long it took. */
  readonly took?: (seconds: number) => void;
}

/** A handler of HTTP that is mounted on an app. */
export interface MountedHttp {
  /** Returns what was counted so far, as plain numbers. */
  samples(): AppSamples;
  /** Refuses requests from now on. Resolves when none is open, or after `ms`. */
  drain(ms: number): Promise<void>;
  /** Closes the connections of the requests that are open, and refuses further ones. */
  stop(): void;
}

/**
 * Serves every path of a uWebSockets.js app that has no route of its own with your own handler: a
 * Web `fetch` or Node.js' `(req, res)`. It is what `startGateway` does with the same
 * (docs/http.md), within the settings of the section `http`. Of the section `socket` only
 * `trustProxy` and `proxyProtocol` count.
 *
 * Call it once an app. Throws one sentence if `handler` has both forms or none.
 */
// biome-ignore lint/complexity/useMaxParams: as `attach`.
export function mountHttp(
  app: TemplatedApp,
  handler: { readonly fetch: FetchHandler } | { readonly http: NodeHandler },
  given: Pick<PartialSettings, "http" | "socket"> = {},
  watch: MountWatch = {},
): MountedHttp {
  checkApp(app, "mountHttp");
  const own = readHandler(handler, "mountHttp");
  if (!own) throw new TypeError("mountHttp takes { fetch } or { http }, and was given neither");
  const settings = readSettings(given);
  const { encrypted = false, took = () => {} } = watch;
  const log: Log =
    watch.log ?? ((level, ...rest) => void (level === "debug" || warn(level, ...rest)));
  const failed: HandlerFailed = (error, { event }) => {
    if (watch.failed) watch.failed(error);
    else log("error", { component: "http", request: String(event), error }, "a handler failed");
  };
  const server = createAppServer(own, settings.http, { log, failed, took });
  mountServer(server, settings, { http: createHttp(app, { log }), encrypted });
  return { samples: server.samples, drain: server.drain, stop: server.stop };
}
