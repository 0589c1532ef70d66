import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Server } from "socket.io";
import type { TemplatedApp } from "../host/native.ts";
import { IncomingRequest, isAmbiguous, type RequestNeeds } from "../host/request.ts";
import type { Door } from "./door.ts";
import type { EngineRequest } from "./engine-io.ts";
import { corsOf } from "./socket-io.ts";

const BUNDLES = ["socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"];
/** What `serveClient` serves. */
export const CLIENT_FILES: readonly string[] = BUNDLES.flatMap((name) => [
  `${name}.js`,
  `${name}.js.map`,
]);

/** What serving the bundles needs to know. */
export interface ClientFilesNeeds extends RequestNeeds {
  readonly door: Pick<Door, "headers"> | undefined;
}

/**
 * Serves the client bundles of the installed socket.io below the server's path, with the headers of
 * `serveClient` on Node.js' http server; uncompressed; a page of an allowed origin may import them.
 * Each file is read when it is first asked for.
 */
export function serveClientFiles(io: Server, app: TemplatedApp, needs: ClientFilesNeeds): void {
  const about = createRequire(import.meta.url).resolve("socket.io/package.json");
  // Its own file.
  const { version } = JSON.parse(readFileSync(about, "utf8")) as { version: string };
  const folder = join(dirname(about), "client-dist");
  const etag = `"${version}"`;
  const cors = corsOf(io);
  for (const name of CLIENT_FILES) {
    let body: Buffer | undefined;
    const answer = ({ headers, res }: EngineRequest): void => {
      if (!res || res.done) return;
      const known = headers["if-none-match"];
      if (known === etag || known === `W/${etag}`) {
        res.statusCode = 304;
        res.end();
        return;
      }
      body ??= readIfThere(join(folder, name));
      if (!body) {
        res.statusCode = 404;
        res.end();
        return;
      }
      const kind = name.endsWith(".map") ? "json" : "javascript";
      res.setHeader("Cache-Control", "public, max-age=0");
      res.setHeader("Content-Type", `application/${kind}; charset=utf-8`);
      res.setHeader("ETag", etag);
      // Requests that follow on one connection, whose answers nobody reads, would hold a copy each.
      res.isLast = true;
      res.end(body);
    };
    app.any(`${io.path()}/${name}`, (raw, req) => {
      const request = new IncomingRequest(req, raw, needs);
      if (isAmbiguous(request.headers)) {
        request.destroy(); // as the endpoint itself does
        return;
      }
      for (const [header, value] of needs.door?.headers(request) ?? []) {
        request.res?.setHeader(header, value);
      }
      if (cors) cors(request, request.res, () => answer(request));
      else answer(request);
    });
  }
}

/** Images leave source maps out, and an update may take files away while the process runs. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
