/**
 * Runs the tests, each file in a process of its own: `main.ts [--without pattern] [path…]`.
 *
 * They are bundled first: to compile, find and link the same files again in each of 150 processes
 * took most of their processor time. A single file needs none of this:
 * `node --import tsx --test test/x/y.test.ts`.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The process, whose own address says that it is compiled: so it takes the compiled chat. */
const MAIN = join(ROOT, "src/main.ts");

/** Keeps each file's own address: tests find files beside it, and programs to start. */
const addresses: Plugin = {
  name: "addresses",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (path === MAIN) return undefined;
      const address = JSON.stringify(pathToFileURL(path).href);
      const contents = readFileSync(path, "utf8").replaceAll("import.meta.url", address);
      return { loader: "ts", contents };
    });
  },
};

function findTests(without: string | undefined, paths: readonly string[]): string[] {
  const files = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`)
    .sort();
  const isChosen = (file: string) =>
    paths.length === 0 || paths.some((path) => file.startsWith(path));
  const isLeftOut = (file: string) => without !== undefined && new RegExp(without).test(file);
  return files.filter((file) => isChosen(file) && !isLeftOut(file));
}

/** Tells at the end which files were slowest. */
const SLOWEST = "test/slowest.ts";

const BUNDLE = {
  absWorkingDir: ROOT,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: true,
  plugins: [addresses],
  logLevel: "warning",
} as const satisfies BuildOptions;

async function bundle(files: readonly string[], out: string): Promise<void> {
  await build({ ...BUNDLE, entryPoints: [...files], outbase: ROOT, outdir: out });
}

/** Bundles the process, with its example, for tests that start it; returns its path. */
async function bundleProcess(out: string): Promise<string> {
  const entryPoints = { main: MAIN, "examples/chat": join(ROOT, "examples/chat.ts") };
  await build({ ...BUNDLE, entryPoints, outdir: join(out, "process") });
  return join(out, "process/main.js");
}

const { values, positionals } = parseArgs({
  options: { without: { type: "string" } },
  allowPositionals: true,
});
const files = findTests(values.without, positionals);
// Within node_modules, so that packages are found from there.
const cache = join(ROOT, "node_modules/.cache");
mkdirSync(cache, { recursive: true });
const out = mkdtempSync(join(cache, "tests-"));
await bundle([...files, SLOWEST], out);
const bundled = (file: string) => join(out, file.replace(/ts$/, "js"));
// One more than there are cores, because many tests wait for a clock. The slow ones start processes,
// which fill the cores by themselves.
const concurrency = availableParallelism() + (values.without === undefined ? 0 : 1);
const run = [
  ...["--enable-source-maps", "--test"],
  ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
  ...[`--test-reporter=${bundled(SLOWEST)}`, "--test-reporter-destination=stdout"],
  ...[`--test-concurrency=${concurrency}`, "--test-timeout=240000"],
  ...files.map(bundled),
];
// To compile and link the process at each of hundreds of starts took three times as long as to start.
const env = { ...process.env, TEST_PROCESS: await bundleProcess(out) };
const child = spawn(process.execPath, run, { cwd: ROOT, stdio: "inherit", env });
// Ctrl-C goes to the tests by itself, and their end is waited for.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill());
child.on("exit", (code) => {
  rmSync(out, { recursive: true });
  process.exitCode = code ?? 1;
});
