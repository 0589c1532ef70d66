import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Server } from "socket.io";
import type { TemplatedApp } from "../host/native.ts";
import { IncomingRequest, isAmbiguous, type RequestNeeds } from "../host/request.ts";
import { corsOf } from "../seam/socket-io.ts";
import type { Door } from "./respond.ts";

const BUNDLES = ["socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"];
/** The files that `serveClient` serves. */
export const CLIENT_FILES: readonly string[] = BUNDLES.flatMap((name) => [
  `${name}.js`,
  `${name}.js.map`,
]);

/**
 * Serves the client bundles of the installed socket.io below the server's path.
 *
 * The headers are those of `serveClient` on Node.js' http server. The files are not compressed.
 * Pages of allowed origins may import them. Each file is read at its first request.
 */
export function serveClientFiles(
  io: Server,
  app: TemplatedApp,
  needs: RequestNeeds & { readonly door: Pick<Door, "headers"> | undefined },
): void {
  const about = createRequire(import.meta.url).resolve("socket.io/package.json");
  // The cast holds: npm requires `version` in every package.json.
  const { version } = JSON.parse(readFileSync(about, "utf8")) as { version: string };
  const folder = join(dirname(about), "client-dist");
  const etag = `"${version}"`;
  const cors = corsOf(io);
  for (const name of CLIENT_FILES) {
    let body: Buffer | undefined;
    const respond = ({ headers, res }: IncomingRequest): void => {
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
      // A client could pipeline requests without reading; each response would keep its own copy.
      res.isLast = true;
      res.end(body);
    };
    app.any(`${io.path()}/${name}`, (raw, req) => {
      const request = new IncomingRequest(req, raw, needs);
      if (isAmbiguous(request.headers)) {
        request.destroy(); // as the Socket.IO endpoint does
        return;
      }
      for (const [header, value] of needs.door?.headers(request) ?? []) {
        request.res?.setHeader(header, value);
      }
      if (cors) cors(request, request.res, () => respond(request));
      else respond(request);
    });
  }
}

/** A file may be missing: images drop source maps, and an update may delete files meanwhile. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
