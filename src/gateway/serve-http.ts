import type { Settings } from "../core/settings.ts";
import { readVersion } from "../core/version.ts";
import { within } from "../core/within.ts";
import { watchDescriptors } from "../host/descriptors.ts";
import { createHttp } from "../host/http.ts";
import { listen } from "../host/listen.ts";
import { loadNative, type TemplatedApp } from "../host/native.ts";
import { type ServeNeeds, serveApi } from "./serve-api.ts";

/** How long a stop waits for open requests. */
const REQUESTS_MS = 500;

/** Adds the HTTP routes to `app`, or to a new app if `api.port` is set. Returns the app it used. */
export function startApi(
  settings: Settings,
  app: TemplatedApp,
  {
    undo,
    isAway,
    ...needs
  }: Omit<ServeNeeds, "http" | "version" | "requests" | "ready"> & {
    readonly undo: (() => unknown)[];
    /** Whether the cluster cannot be reached. */
    isAway(): boolean;
  },
): TemplatedApp {
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
  return apiApp;
}

/** Descriptors kept free for calls, files and the API's port when accepting clients pauses. */
const SPARE_DESCRIPTORS = 8;

/**
 * Listens on the ports of the settings. Calls `paused` with true when it stops accepting clients
 * because file descriptors run out, and with false when it accepts again.
 */
export async function openPorts(
  { socket, api }: Settings,
  {
    app,
    apiApp,
    shared,
    undo,
    paused,
  }: {
    readonly app: TemplatedApp;
    readonly apiApp: TemplatedApp;
    /** Whether other processes may listen on the same ports. */
    readonly shared: boolean;
    readonly undo: (() => unknown)[];
    readonly paused: (isPaused: boolean) => void;
  },
) {
  const clients = await listen(app, socket, shared);
  undo.push(() => clients.close());
  undo.push(watchDescriptors({ listening: clients, spare: SPARE_DESCRIPTORS, told: paused }));
  const callers = apiApp === app ? clients : await listen(apiApp, api, shared);
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
