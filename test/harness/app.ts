import { createHttp, type Http } from "../../src/host/http.ts";
import { loadNative, type TemplatedApp } from "../../src/host/native.ts";

/** A uWebSockets.js app that listens on a free port. */
export interface TestApp {
  readonly app: TemplatedApp;
  readonly http: Http;
  readonly port: number;
  readonly url: string;
  /** Lines that were logged, as `level text`. */
  readonly logged: readonly string[];
  /** Ends the listening and every connection. */
  close(): void;
}

/** Starts an app with the plain HTTP side on it. */
export async function startApp(): Promise<TestApp> {
  const { uws } = loadNative();
  const app = uws.App();
  const logged: string[] = [];
  const http = createHttp(app, { log: (level, _fields, text) => logged.push(`${level} ${text}`) });
  const listening = await new Promise<Parameters<typeof uws.us_listen_socket_close>[0]>(
    (resolve, reject) => {
      app.listen("127.0.0.1", 0, (socket) => {
        if (socket) resolve(socket);
        else reject(new Error("cannot listen"));
      });
    },
  );
  const port = uws.us_socket_local_port(listening);
  return {
    app,
    http,
    port,
    url: `http://127.0.0.1:${port}`,
    logged,
    close() {
      // The legacy binary has no app.close().
      if (typeof app.close === "function") app.close();
      else uws.us_listen_socket_close(listening);
    },
  };
}
