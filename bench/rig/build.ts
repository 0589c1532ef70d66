import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle } from "esbuild";
import { runTool, type ToolOptions } from "./tool.ts";

/** The repository's root. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TEMPORARY = join(ROOT, "bench", "results", "tmp");

/**
 * Compiled scripts of the benchmark's processes; they live inside the tree to find node_modules.
 */
export interface Build {
  readonly folder: string;
  /** Path of a subject's script, `generator` being one of them. */
  script(name: string): string;
  /** Compiles this tree's gateway, the first time only. Throws what the build said. */
  compileGateway(signal: AbortSignal): Promise<void>;
  /** Folder of this tree's compiled gateway; throws while it has not been compiled. */
  gateway(): string;
  remove(): void;
}

/**
 * Compiles subjects and generator into a fresh folder. They run as plain JavaScript: a loader
 * between them and Node would be measured, too.
 */
export async function buildScripts(): Promise<Build> {
  mkdirSync(TEMPORARY, { recursive: true });
  const folder = mkdtempSync(join(TEMPORARY, "build-"));
  const subjects = join(ROOT, "bench", "subjects");
  const entries = [
    ...readdirSync(subjects).map((file) => join(subjects, file)),
    join(ROOT, "bench", "generator", "process.ts"),
  ];
  await bundle({
    entryPoints: Object.fromEntries(entries.map((file) => [nameOf(file), file])),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: false,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
  });
  let compiled: string | undefined;
  return {
    folder,
    script: (name) => join(folder, `${name}.mjs`),
    async compileGateway(signal) {
      compiled ??= await buildGateway(ROOT, join(folder, "gateway"), { signal });
    },
    gateway() {
      if (compiled === undefined) throw new Error("the gateway has not been compiled");
      return compiled;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function nameOf(file: string): string {
  return file.endsWith("process.ts") ? "generator" : basename(file, ".ts");
}

/**
 * Builds a tree's `src/` as `npm run build` does in this tree into `folder/dist`, and returns that.
 * Throws what the build said if there is no gateway afterwards.
 */
export async function buildGateway(
  tree: string,
  folder: string,
  how: Pick<ToolOptions, "signal"> = {},
): Promise<string> {
  const out = join(folder, "dist");
  mkdirSync(folder, { recursive: true });
  // The gateway reads its version from the package above dist/, and Node its module system.
  cpSync(join(tree, "package.json"), join(folder, "package.json"));
  const words = [process.execPath, "--import", "tsx", join(ROOT, "build.ts"), tree, out];
  const { output } = await runTool(words, { cwd: ROOT, ...how });
  if (!existsSync(join(out, "index.js")) || !existsSync(join(out, "main.js")))
    throw new Error(`src/ does not build to a gateway: ${output}`);
  return out;
}
