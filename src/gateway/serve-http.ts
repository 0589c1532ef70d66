import type { Settings } from "../core/settings.ts";
import { readVersion } from "../core/version.ts";
import { watchDescriptors } from "../host/descriptors.ts";
import { createHttp } from "../host/http.ts";
import { listen } from "../host/listen.ts";
import { loadNative, type TemplatedApp } from "../host/native.ts";
import type { Metrics } from "../metrics/registry.ts";
import { type ServeNeeds, serveApi } from "./serve-api.ts";

/** How long open requests may take to end at a stop. */
const REQUESTS_MS = 500;

/** What the HTTP routes need of the gateway, and its list of what to undo. */
export interface ApiSurroundings
  extends Pick<
    ServeNeeds,
    "io" | "executor" | "log" | "metrics" | "isDraining" | "refusing" | "deadLetters"
  > {
  readonly undo: (() => unknown)[];
  readonly count: Metrics["count"];
  isAway(): boolean;
}

/** Puts the HTTP routes on the app, or on one of their own, which is returned. */
export function startApi(
  settings: Settings,
  app: TemplatedApp,
  { undo, count, isAway, ...needs }: ApiSurroundings,
): TemplatedApp {
  const apiApp = settings.api.port === 0 ? app : loadNative().uws.App();
  if (apiApp !== app) undo.push(() => closeApp(apiApp));
  const unrouted = (status: number) =>
    count("sluice_api_requests_total", { route: "none", status: `${status}` });
  const http = createHttp(app, { log: needs.log, unrouted });
  const apiHttp = apiApp === app ? http : createHttp(apiApp, { log: needs.log, unrouted });
  const api = serveApi(settings, {
    ...{ ...needs, http: apiHttp, version: readVersion() },
    ready: () => (isAway() ? "CLUSTER_AWAY" : undefined),
  });
  undo.push(async () => {
    api.stop();
    await within(REQUESTS_MS, Promise.all([http.stop(), apiHttp.stop()]));
  });
  return apiApp;
}

/** What is to listen. */
export interface Doors {
  readonly app: TemplatedApp;
  readonly apiApp: TemplatedApp;
  readonly shared: boolean;
  readonly undo: (() => unknown)[];
  /**
   * Told when clients' connections are no longer accepted for want of descriptors, and when again.
   */
  readonly starved: (paused: boolean) => void;
}

/** Descriptors that are left to calls, files and the port of the API when clients find none. */
const SPARE_DESCRIPTORS = 8;

/** Listens where the settings say, on ports that other processes may share. */
export async function openDoors(
  { socket, api }: Settings,
  { app, apiApp, shared, undo, starved }: Doors,
) {
  const door = await listen(app, socket.host, socket.port, shared);
  undo.push(() => door.close());
  undo.push(watchDescriptors({ listening: door, spare: SPARE_DESCRIPTORS, told: starved }));
  const apiDoor = apiApp === app ? door : await listen(apiApp, api.host, api.port, shared);
  undo.push(() => apiDoor.close());
  if (apiDoor !== door) {
    undo.push(watchDescriptors({ listening: apiDoor, spare: 1, told: () => {} }));
  }
  return { ports: { port: door.port, apiPort: apiDoor.port }, close: () => door.close() };
}

/** Resolves with the promise or after `ms`, whichever is first. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

/**
 * Closes every connection of an app, where the binary can; else its idle ones end by themselves.
 */
export function closeApp(app: TemplatedApp): void {
  const { close } = app as Partial<Pick<TemplatedApp, "close">>; // older binaries have none
  close?.call(app);
}
