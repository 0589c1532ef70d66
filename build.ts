/**
 * Builds `dist/`: `build.ts [tree] [out]`, of this tree by default.
 *
 * Every file of `src/` is compiled by itself, with its declarations, for those who import Sluice
 * into a process of their own. Over that, the process is bundled: to find, read and link its 300
 * files took half of a start. What is imported on demand (Redis, workers, functions) stays in files
 * of its own. Nothing is minified: it would save next to nothing, and stack traces name functions
 * and the bundle's comments their files as it is, so that no source maps are needed either.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { bundlePage } from "./src/console/bundle.ts";

/**
 * Stay in node_modules: a handler module that imports Socket.IO, or an adapter for it, must get the
 * copy that the gateway runs on, whose `Adapter.prototype` it has taken over.
 */
const SHARED = ["socket.io", "socket.io-adapter", "socket.io-parser", "engine.io"];

const shared: Plugin = {
  name: "shared",
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${SHARED.join("|")})$`);
    onResolve({ filter }, ({ path, namespace }) =>
      namespace === "shared" ? { path, external: true } : { path, namespace: "shared" },
    );
    // By require: for an import, Node would look for the names of their exports first.
    onLoad({ filter, namespace: "shared" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** The bundled process, without `.js`. */
const RUN = "main-run";

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

/** Bundles the process into `out`; returns the paths of what went into it. */
async function bundle(tree: string, out: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: tree,
    entryPoints: { [RUN]: "src/main.ts" },
    outdir: out,
    // Beside it, because modules look for package.json above their own folder.
    chunkNames: "main-[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // The console's page is there already, so nothing bundles it at run time.
    external: ["esbuild"],
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

rmSync(out, { recursive: true, force: true });
compile(tree, "tsconfig.build.json", out);
compile(tree, "tsconfig.examples.json", join(out, "examples"));
writeFileSync(join(out, "main.js"), ENTRY, { mode: 0o755 });
writeFileSync(join(out, "main-licences.txt"), gatherLicences(tree, await bundle(tree, out)));
await writePage(out);
