/**
 * The program of socket.io-client in Node.js, Bun and Deno:
 * `program.ts PACKAGE [--msgpack | --refused]`, where PACKAGE is its name in node_modules.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ManagerOptions } from "socket.io-client";
import { refuse } from "./refusal.ts";
import { runRows } from "./rows.ts";

const [name = "", flag] = process.argv.slice(2);
const require = createRequire(import.meta.url);
// The same since 3; 2 is called as a function of other options, and the rows know them.
const loaded = require(name) as typeof import("socket.io-client");
const io = loaded.io ?? loaded;
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
if (flag === "--refused") await refuse(require(name), url, print);
else {
  const isMsgpack = flag === "--msgpack";
  const options: Partial<ManagerOptions> = isMsgpack
    ? { parser: require("socket.io-msgpack-parser") }
    : {};
  const isOld = version.startsWith("2.");
  // These take bytes as a Buffer.
  const bytes = isMsgpack || isOld ? (given: Uint8Array) => Buffer.from(given) : undefined;
  await runRows({
    io,
    url,
    token,
    options,
    isOld,
    print,
    ...(bytes && { bytes }),
  });
}
process.exit(0);
