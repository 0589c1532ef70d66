/**
 * Builds `dist/`: `build.ts [tree] [out]`, of this tree by default.
 *
 * The process and the public modules are bundled with the packages that they use: to find, read and
 * link 300 files took half of a start, and these packages would take 50 MB where Sluice is
 * installed. What is imported on demand (Redis, workers, functions) stays in files of its own.
 * Nothing is minified: it would save next to nothing, and stack traces name functions and the
 * bundle's comments their files as it is, so that no source maps are needed either. The SDK for
 * functions is compiled file by file, because it runs where Node's modules are missing.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { copyDeclarations } from "./packages/declarations.ts";
import { bundlePage } from "./src/console/bundle.ts";

/** The user's own copy, beside Sluice. */
const PEER = "socket.io";

/**
 * The copies that the user's socket.io uses, wherever the package manager has put them. Its
 * engine.io is not among them: Sluice overrides much of it, and Socket.IO takes any engine that it
 * is given, so the version that Sluice is tested with is bundled. A newer one came with an update of
 * nobody's own, and lacked a member (seen: 6.6.13).
 */
const INSIDE = ["socket.io-adapter", "socket.io-parser"];

/** The module that finds them, in the bundle only. */
const FINDER = "find-socket.io";

const MISSING = "Sluice needs socket.io, which is not installed: run npm install socket.io";

/** Bundled by none of these: by require, because Node would look for the names of exports first. */
function writeShared(path: string): string {
  if (path === PEER) return `require("${FINDER}"); module.exports = require("${PEER}");`;
  if (path !== FINDER) return `module.exports = require("${FINDER}")(${JSON.stringify(path)});`;
  return `const { createRequire } = require("node:module");
    const find = () => {
      try {
        return require.resolve("${PEER}");
      } catch (cause) {
        throw new Error(${JSON.stringify(MISSING)}, { cause });
      }
    };
    module.exports = createRequire(find());`;
}

/**
 * Keeps Socket.IO and its packages out of the bundle. A server that is attached, a handler module
 * and an adapter must share the copy whose `Adapter.prototype` Sluice has taken over.
 */
const shared: Plugin = {
  name: "shared",
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${[PEER, ...INSIDE, FINDER].join("|")})$`);
    onResolve({ filter }, ({ path, namespace }) =>
      namespace === "shared" && path === PEER
        ? { path, external: true }
        : { path, namespace: "shared" },
    );
    onLoad({ filter, namespace: "shared" }, ({ path }) => ({ contents: writeShared(path) }));
  },
};

/** The bundled process, without `.js`. */
const RUN = "main-run";

/** The public modules, and the process. */
const ENTRIES = {
  [RUN]: "src/main.ts",
  index: "src/index.ts",
  attach: "src/gateway/attach.ts",
  nest: "src/nest/adapter.ts",
};

/**
 * What `main.js` is: it switches on Node.js' cache of compiled code, from Node.js 22.8 on, before
 * any of the code is loaded. The cache is beside the code, where whoever may write it may write the
 * code, too. Where nobody may, Node.js starts without it. It is written when the process exits.
 */
const ENTRY = `#!/usr/bin/env node
import module from "node:module";
import { fileURLToPath } from "node:url";
module.enableCompileCache?.(fileURLToPath(new URL("compile-cache", import.meta.url)));
await import("./${RUN}.js");
`;

function compile(tree: string, project: string, out: string): void {
  const tsc = join(tree, "node_modules/typescript/bin/tsc");
  const words = [tsc, "-p", join(tree, project), "--outDir", out];
  const { status } = spawnSync(process.execPath, words, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** Bundles the entries into `out`; returns the paths of what went into them. */
async function bundle(tree: string, out: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: tree,
    entryPoints: ENTRIES,
    outdir: out,
    // Beside it, because modules look for package.json above their own folder.
    chunkNames: "main-[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // The console's page is there already, so nothing bundles it at run time. Nest is the user's own.
    external: ["esbuild", "@nestjs/*"],
    plugins: [shared],
    // What packages in CommonJS require of Node itself.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    metafile: true,
    logLevel: "warning",
  });
  return Object.keys(metafile.inputs);
}

/** Returns the licences of the packages that the files are of: a copy must carry them. */
function gatherLicences(tree: string, files: readonly string[]): string {
  const folders = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const found = [...new Set(folders)].sort().map((folder) => {
    if (folder === undefined) return "";
    const path = join(tree, folder);
    const about = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    const texts = readdirSync(path)
      .filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
      .map((name) => readFileSync(join(path, name), "utf8").trim());
    return [`# ${about.name} ${about.version} (${about.license})`, ...texts].join("\n\n");
  });
  return `${found.filter(Boolean).join("\n\n\n")}\n`;
}

const [tree = fileURLToPath(new URL(".", import.meta.url)), out = join(tree, "dist")] =
  process.argv.slice(2);
/** Writes the page of the console. */
async function writePage(out: string): Promise<void> {
  const folder = join(out, "console-page");
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of await bundlePage()) writeFileSync(join(folder, name), bytes);
}

/** Writes the declarations of the public modules to `out/types`. */
function declare(tree: string, out: string): void {
  const from = join(out, "declared");
  compile(tree, "tsconfig.build.json", from);
  const native = join(tree, "node_modules/uWebSockets.js/index.d.ts");
  const entries = ["index", "gateway/attach", "nest/adapter"];
  copyDeclarations({ from, to: join(out, "types"), entries, native });
  rmSync(from, { recursive: true });
}

rmSync(out, { recursive: true, force: true });
declare(tree, out);
compile(tree, "packages/edge/tsconfig.json", out);
compile(tree, "tsconfig.examples.json", join(out, "examples"));
writeFileSync(join(out, "main.js"), ENTRY, { mode: 0o755 });
writeFileSync(join(out, "main-licences.txt"), gatherLicences(tree, await bundle(tree, out)));
await writePage(out);
