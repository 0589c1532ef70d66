import { randomBytes } from "node:crypto";
import type { KeptLine } from "../console/lines.ts";
import type { HandlerFailed } from "../core/handler.ts";
import type { Settings } from "../core/settings-shape.ts";
import { readVersion } from "../core/version.ts";
import { within } from "../core/within.ts";
import type { LoadedModule } from "../handlers/module.ts";
import { watchDescriptors } from "../host/descriptors.ts";
import { createHttp, type Http } from "../host/http.ts";
import { listen } from "../host/listen.ts";
import { loadNative, type TemplatedApp } from "../host/native.ts";
import type { OpenedApp } from "../host/tls.ts";
import { createHintPage, type Served } from "./hint-page.ts";
import { type ServeNeeds, serveApi } from "./serve-api.ts";
import type { Drain, GivenHandler, ServeAppNeeds } from "./serve-app.ts";
import type { ServeConsoleNeeds } from "./serve-console.ts";

/** How long a stop waits for open requests. */
const REQUESTS_MS = 500;

/** What {@link serveHttp} needs. */
type ServeHttpNeeds = Omit<ServeNeeds, "http" | "version" | "requests" | "ready"> & {
  readonly undo: (() => unknown)[];
  /** What `startGateway` was given for the application's own HTTP. */
  readonly fetch: unknown;
  readonly http: unknown;
  readonly loaded: LoadedModule | undefined;
  readonly failed: HandlerFailed;
  /** The latest warnings and errors. */
  lines(): readonly KeptLine[];
  /** Whether other processes may listen on the same ports. */
  readonly shared: boolean;
  /** Whether somebody develops with this gateway. */
  readonly developing: boolean;
  readonly production: boolean;
  /** Whether the cluster cannot be reached. */
  isAway(): boolean;
  /**
   * Called with true when no clients are accepted because file descriptors run out, and with false
   * when they are again.
   */
  paused(isPaused: boolean): void;
};

/** Adds the routes of the API and of the console, and listens on the ports of the settings. */
export async function serveHttp(
  settings: Settings,
  { app, encrypted }: Pick<OpenedApp, "app" | "encrypted">,
  needs: ServeHttpNeeds,
) {
  // Not for workers: each would make one of its own, and they answer on one port.
  const isKeyMade = needs.developing && !needs.shared && isClosed(settings);
  const key = isKeyMade ? randomBytes(24).toString("base64url") : undefined;
  const served = startApi(withKey(settings, key), app, needs);
  const own = { ...needs, encrypted, http: served.clientHttp };
  const drainHttp = await mountApp(settings, own, [needs, needs.loaded]);
  const clientPort = () => (settings.api.port === 0 ? undefined : ports.port);
  const hasConsole = await startConsole(settings, { ...needs, ...served, clientPort });
  // In production it would tell strangers where to look.
  if (needs.developing && !needs.production) {
    addHintPages(settings, served, { hasConsole, isMounted: drainHttp !== undefined });
  }
  const { ports, close } = await openPorts(settings, { ...needs, app, apiApp: served.apiApp });
  const consoleUrl = hasConsole
    ? `${apiUrl(settings, { encrypted, ...ports })}/console${key ? `#key=${key}` : ""}`
    : undefined;
  return { ports, close, consoleUrl, drainHttp };
}

/** Adds `GET /` to each port, unless the metrics or the application's own pages are there. */
function addHintPages(
  settings: Settings,
  { clientHttp, http }: { readonly clientHttp: Http; readonly http: Http },
  { hasConsole, isMounted }: { readonly hasConsole: boolean; readonly isMounted: boolean },
): void {
  const isShared = clientHttp === http;
  const add = (to: Http, served: Served) => to.route("GET", "/", createHintPage(settings, served));
  const isFree = settings.metrics.path !== "/" && !(isShared && isMounted);
  if (!isShared && !isMounted) add(clientHttp, { clients: true, api: false, console: false });
  if (isFree) add(http, { clients: isShared, api: true, console: hasConsole });
}

/** Whether neither a key nor a token opens the API. */
function isClosed({ api }: Settings): boolean {
  return [api.keys.length, api.jwtSecret, api.jwtPublicKey, api.jwtJwksUrl].every((one) => !one);
}

/** Returns settings in which `key`, if there is one, opens the API. */
function withKey(settings: Settings, key: string | undefined): Settings {
  if (key === undefined) return settings;
  return { ...settings, api: { ...settings.api, keys: [`development:${key}`] } };
}

/** Returns where the API is reached. On a port of its own it has no TLS. */
function apiUrl(
  { api, socket }: Settings,
  { encrypted, apiPort }: { readonly encrypted: boolean; readonly apiPort: number },
): string {
  const isShared = api.port === 0;
  const host = urlHost(isShared ? socket.host : api.host);
  return `${encrypted && isShared ? "https" : "http"}://${host}:${apiPort}`;
}

/** Adds the HTTP routes to `app`, or to a new app if `api.port` is set. Returns what it used. */
function startApi(
  settings: Settings,
  app: TemplatedApp,
  { undo, isAway, ...needs }: ServeHttpNeeds,
) {
  const apiApp = settings.api.port === 0 ? app : loadNative().uws.App();
  if (apiApp !== app) undo.push(() => closeApp(apiApp));
  const requests: Record<string, number> = {};
  const unrouted = (status: number): void => {
    const key = `none ${status}`;
    requests[key] = (requests[key] ?? 0) + 1;
  };
  const http = createHttp(app, { log: needs.log, unrouted });
  const apiHttp = apiApp === app ? http : createHttp(apiApp, { log: needs.log, unrouted });
  const api = serveApi(settings, {
    ...{ ...needs, http: apiHttp, version: readVersion(), requests },
    ready: () => (isAway() ? "CLUSTER_AWAY" : undefined),
  });
  undo.push(async () => {
    api.stop();
    const stopped = Promise.all([http.stop(), apiHttp.stop()]);
    await within<unknown>(stopped, REQUESTS_MS, () => {});
  });
  return { apiApp, clientHttp: http, http: apiHttp, api };
}

/**
 * Adds the console to the routes if a key or a token may open it; loads its code only then.
 * Resolves with whether it did.
 */
async function startConsole(settings: Settings, needs: ServeConsoleNeeds): Promise<boolean> {
  if (!settings.console.enabled || !needs.api.console.isAllowed) return false;
  const { serveConsole } = await import("./serve-console.ts");
  serveConsole(settings, needs);
  return true;
}

/**
 * Adds the application's own HTTP handler for all other paths if there is one; loads the code for
 * it only then. Resolves with what waits for its requests.
 */
async function mountApp(
  settings: Settings,
  needs: ServeAppNeeds,
  [given, loaded]: readonly [GivenHandler, LoadedModule | undefined],
): Promise<Drain | undefined> {
  const all = [given.fetch, given.http, loaded?.fetch, loaded?.http];
  if (all.every((one) => one === undefined)) return undefined;
  const { chooseHandler, serveApp } = await import("./serve-app.ts");
  return serveApp(chooseHandler(settings, given, loaded), settings, needs).drain;
}

/** Descriptors kept free for calls, files and the API's port when accepting clients pauses. */
const SPARE_DESCRIPTORS = 8;

/** Listens on the ports of the settings. */
async function openPorts(
  { socket, api }: Settings,
  {
    app,
    apiApp,
    shared,
    undo,
    paused,
  }: Pick<ServeHttpNeeds, "shared" | "undo" | "paused"> & {
    readonly app: TemplatedApp;
    readonly apiApp: TemplatedApp;
  },
) {
  const clients = await listen(app, socket, shared);
  undo.push(() => clients.close());
  undo.push(watchDescriptors({ listening: clients, spare: SPARE_DESCRIPTORS, told: paused }));
  const callers =
    apiApp === app ? clients : await listen(apiApp, { ...api, section: "api" }, shared);
  undo.push(() => callers.close());
  if (callers !== clients) {
    undo.push(watchDescriptors({ listening: callers, spare: 1, told: () => {} }));
  }
  return { ports: { port: clients.port, apiPort: callers.port }, close: () => clients.close() };
}

/** Closes every connection of an app. Older binaries cannot; there, idle connections time out. */
export function closeApp(app: TemplatedApp): void {
  const { close } = app as Partial<Pick<TemplatedApp, "close">>; // older binaries have none
  close?.call(app);
}

/** Returns the host by which a server that listens on `host` is reached, as in a URL. */
export function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::" || host === "") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
