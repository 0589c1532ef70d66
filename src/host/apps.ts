import type { AppOptions, TemplatedApp, us_listen_socket } from "uWebSockets.js";
import { loadNative } from "./native.ts";

export type { AppOptions, TemplatedApp, us_listen_socket };

/**
 * Returns a new app of uWebSockets.js, from the binary that Sluice has loaded. An app of another
 * copy cannot be used. Throws the sentence of a machine on which no binary loads.
 */
export function App(options: AppOptions = {}): TemplatedApp {
  return make(loadNative().uws.App, options);
}

/** As {@link App}, with TLS: `key_file_name` and `cert_file_name` name the files. */
export function SSLApp(options: AppOptions): TemplatedApp {
  return make(loadNative().uws.SSLApp, options);
}

/** Stops listening: takes what `app.listen` has called back with. */
export function closeListenSocket(socket: us_listen_socket): void {
  loadNative().uws.us_listen_socket_close(socket);
}

// Both binaries take the options that uWebSockets.js documents. Native lists fewer.
const make = (app: (options: never) => TemplatedApp, options: AppOptions): TemplatedApp =>
  app(options as never);
