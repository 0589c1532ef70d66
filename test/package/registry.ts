/** A registry of this tree's own packages, so that they are found by their names as released ones are. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describePackage } from "../../packages/uws/generate.ts";
import { PLATFORMS } from "../../packages/uws/platforms.ts";
import { ROOT } from "../harness/process.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** The scoped packages of this tree. */
function listManifests(): readonly Manifest[] {
  const edge = JSON.parse(readFileSync(join(ROOT, "packages/edge/package.json"), "utf8"));
  return [edge, ...PLATFORMS.map(describePackage)];
}

/** A registry that listens on this machine. */
export interface Registry {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the packages `@sluice/…` out of a folder of tarballs. Those for other systems are described
 * only: npm must not ask for them.
 */
export async function serveRegistry(tarballs: string): Promise<Registry> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    const file = readdirSync(tarballs).find((name) => path === `/${name}`);
    if (file !== undefined) return void response.end(readFileSync(join(tarballs, file)));
    const manifest = listManifests().find(({ name }) => path === `/${name}`);
    if (manifest === undefined) return void response.writeHead(404).end();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(describe(manifest, tarballs, url)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function describe(manifest: Manifest, tarballs: string, url: string) {
  const { name, version } = manifest;
  const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  const isHere = readdirSync(tarballs).includes(file);
  const bytes = isHere ? readFileSync(join(tarballs, file)) : Buffer.alloc(0);
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  const dist = { tarball: `${url}/${file}`, integrity };
  return { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
}
