import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Exchange, RouteResponse } from "../core/http.ts";
import type { PageFiles } from "./bundle.ts";

/** The names of the files, with their types. */
export const PAGE_FILES: Readonly<Record<string, string>> = {
  "page.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "client.js": "text/javascript; charset=utf-8",
};

/**
 * Resolves with the files of the page. A build has them in `console-page/`, beside the process or
 * one folder up; from the source they are bundled now, in some tenths of a second.
 */
export async function loadPage(): Promise<PageFiles> {
  const folders = ["./console-page/", "../console-page/"];
  const built = folders
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (built) {
    const names = Object.keys(PAGE_FILES);
    return new Map(names.map((name) => [name, readFileSync(new URL(name, built))]));
  }
  return (await import("./bundle.ts")).bundlePage();
}

/**
 * Returns the policy of the page: scripts and styles of its own only, nothing inline.
 *
 * `clientPort` is the port of the clients if it is not the page's own: the playground connects
 * there.
 */
export function policyOf(clientPort: number | undefined): string {
  const clients = clientPort === undefined ? "" : ` *:${clientPort} ws://*:${clientPort}`;
  return [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:"],
    ...[`connect-src 'self'${clients}`, "base-uri 'none'", "form-action 'none'"],
    ...["frame-ancestors 'none'", "require-trusted-types-for 'script'"],
  ].join("; ");
}

/** Returns what serves the files of the page, compressed where the browser takes that. */
export function createAssets(
  policy: () => string,
  load: () => Promise<PageFiles> = loadPage,
): (name: string, exchange: Pick<Exchange, "headers">) => Promise<RouteResponse> {
  let files: Promise<PageFiles> | undefined;
  const packed = new Map<string, Buffer>();
  return async (name, { headers }) => {
    files ??= load();
    const body = (await files).get(name) ?? Buffer.alloc(0);
    const about = {
      "content-type": PAGE_FILES[name] ?? "application/octet-stream",
      "content-security-policy": policy(),
      "cache-control": "no-cache",
      vary: "accept-encoding",
    };
    // Close, as for the OpenAPI document: else whoever sends requests and reads nothing would have
    // the gateway hold a copy for each.
    const response = { status: 200, close: true };
    if (!/\bgzip\b/.test(headers["accept-encoding"] ?? "")) {
      return { ...response, headers: about, body };
    }
    const small = packed.get(name) ?? gzipSync(body, { level: 9 });
    packed.set(name, small);
    return { ...response, headers: { ...about, "content-encoding": "gzip" }, body: small };
  };
}
