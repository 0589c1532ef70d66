/**
 * Leaves in a production `node_modules` what runs here: `node prune.mjs <node_modules>`.
 *
 * The uWebSockets.js package carries a binary per system, processor and Node version, 100 MB in
 * all; the one of the Node that runs this script stays. Declarations, source maps and READMEs go;
 * licence files stay, and the source maps of the client bundles, which `socket.serveClient` serves.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";

const root = process.argv[2];
if (root === undefined || basename(root) !== "node_modules") {
  console.error("usage: node prune.mjs <path of node_modules>");
  process.exit(64);
}

const own = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
const deadWeight = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown)$/i;
const licence = /licen[cs]e|notice|copying/i;
const served = join(root, "socket.io", "client-dist");
let kept = 0;
let freedBytes = 0;

for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  if (entry.name === own) kept += 1;
  if (entry.parentPath === served) continue;
  const foreign = /^uws_.*\.node$/.test(entry.name) && entry.name !== own;
  if (!foreign && (!deadWeight.test(entry.name) || licence.test(entry.name))) continue;
  freedBytes += statSync(path).size;
  rmSync(path);
}

if (kept !== 1) {
  console.error(`expected one ${own}, found ${kept}: this Node has no uWebSockets.js binary`);
  process.exit(1);
}
console.log(`kept ${own}, freed ${(freedBytes / 1e6).toFixed(1)} MB`);
