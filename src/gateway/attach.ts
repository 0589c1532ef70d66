/**
 * Sluice for a Socket.IO server that you have.
 *
 * @module sluice/attach
 */
import type { Server } from "socket.io";
import { readSettings } from "../core/settings.ts";
import type { PartialSettings } from "../core/settings-shape.ts";
import { hideInherited } from "../core/zod.ts";
import type { TemplatedApp } from "../host/native.ts";
import { checkGiven } from "./attach-checks.ts";
import { type Attached, type AttachWatch, serveSocket } from "./serve-socket.ts";

export {
  App,
  type AppOptions,
  closeListenSocket,
  SSLApp,
  type TemplatedApp,
} from "../host/apps.ts";
export type { FetchHandler, FetchInfo } from "../http/fetch.ts";
export type { NodeHandler } from "../http/node.ts";
export { type MountedHttp, type MountWatch, mountHttp } from "./mount-http.ts";
export type { Attached, AttachedSamples, AttachWatch } from "./serve-socket.ts";

/**
 * Serves a Socket.IO server on a uWebSockets.js app, in the place of `io.attachApp(app)`.
 *
 * Broadcasts are published by uWebSockets.js, backpressure is real, and msgpack and JSON clients
 * share rooms. Options that `io` was constructed with win over `given`, except its parser: both
 * codecs are Sluice's own. An option that cannot be honoured is refused (docs/options.md). The
 * client bundles are served too.
 *
 * Throws `SettingsError` if a setting is out of bounds. Throws an Error if `io` is attached
 * already, or if its path on `app` ever was: uWebSockets.js cannot remove a path's handlers. If
 * `io` or `app` is something else, the error says what to do instead.
 */
// biome-ignore lint/complexity/useMaxParams: io and app are joined here, by settings and needs.
export function attach(
  io: Server,
  app: TemplatedApp,
  given: Pick<PartialSettings, "socket" | "codec" | "fanout"> = {},
  watch: AttachWatch = {},
): Attached {
  hideInherited();
  checkGiven(io, app);
  return serveSocket(io, app, readSettings(given), watch);
}
