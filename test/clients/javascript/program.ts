/**
 * The program of socket.io-client in Node.js, Bun and Deno:
 * `program.ts PACKAGE [--msgpack]`, where PACKAGE is its name in node_modules.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ManagerOptions } from "socket.io-client";
import { refuse } from "./refusal.ts";
import { runRows } from "./rows.ts";

const [name = "", flag] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { io } = require(name) as typeof import("socket.io-client"); // the same since 3
const { version } = JSON.parse(
  readFileSync(new URL(`../../../node_modules/${name}/package.json`, import.meta.url), "utf8"),
) as { version: string };
const print = (line: object) => console.log(JSON.stringify(line));
const runtime = process.versions.bun
  ? `Bun ${process.versions.bun}`
  : process.versions.deno
    ? `Deno ${process.versions.deno}`
    : `Node.js ${process.versions.node}`;

print({ client: "socket.io-client", version, runtime });
const { SLUICE_URL: url = "", SLUICE_TOKEN: token = "" } = process.env;
if (version.startsWith("2.")) await refuse(require(name), url, print);
else {
  const isMsgpack = flag === "--msgpack";
  const options: Partial<ManagerOptions> = isMsgpack
    ? { parser: require("socket.io-msgpack-parser") }
    : {};
  // This parser takes bytes as a Buffer.
  const bytes = isMsgpack ? (given: Uint8Array) => Buffer.from(given) : undefined;
  await runRows({ io, url, token, options, print, ...(bytes && { bytes }) });
}
process.exit(0);
