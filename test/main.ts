/**
 * Runs the tests, each file in a process of its own: `main.ts [--without pattern] [--binary]
 * [path…]`. With `--binary` it leaves out what has the same outcome with any binary of
 * uWebSockets.js.
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
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { findOfBinary } from "./binary.ts";
import { SEED, TIMES } from "./harness/random.ts";

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
  metafile: true,
  plugins: [addresses],
  logLevel: "warning",
} as const satisfies BuildOptions;

async function bundle(files: readonly string[], out: string): Promise<Metafile> {
  const from = { entryPoints: [...files], outbase: ROOT };
  return (await build({ ...BUNDLE, ...from, outdir: out })).metafile;
}

/** Bundles the process, with its example, for tests that start it; returns its path. */
async function bundleProcess(out: string): Promise<string> {
  const entryPoints = { main: MAIN, "examples/chat": join(ROOT, "examples/chat.ts") };
  await build({ ...BUNDLE, entryPoints, outdir: join(out, "process") });
  return join(out, "process/main.js");
}

const { values, positionals } = parseArgs({
  options: { without: { type: "string" }, binary: { type: "boolean", default: false } },
  allowPositionals: true,
});
const all = findTests(values.without, positionals);
// Within node_modules, so that packages are found from there.
const cache = join(ROOT, "node_modules/.cache");
mkdirSync(cache, { recursive: true });
const out = mkdtempSync(join(cache, "tests-"));
const { inputs } = await bundle([...all, SLOWEST], out);
const files = values.binary ? findOfBinary(all, inputs) : all;
if (values.binary) {
  console.log(`left out of ${all.length} files, because no binary makes a difference:`);
  for (const file of all.filter((one) => !files.includes(one))) console.log(`  ${file}`);
}
const bundled = (file: string) => join(out, file.replace(/ts$/, "js"));
// One more than there are cores, because many tests wait for a clock.
const concurrency = availableParallelism() + 1;
// Of a whole file, which takes longer with more random cases.
const timeoutMs = 240_000 * Math.max(1, TIMES);
const run = [
  ...["--enable-source-maps", "--test"],
  ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
  ...[`--test-reporter=${bundled(SLOWEST)}`, "--test-reporter-destination=stdout"],
  ...[`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`],
  ...files.map(bundled),
];
// To compile and link the process at each of hundreds of starts took three times as long as to start.
const env = { ...process.env, SEED: String(SEED), TEST_PROCESS: await bundleProcess(out) };
// One for all files, and told first: a file whose time is over tells none.
console.log(`SEED=${SEED} TIMES=${TIMES}`);
const child = spawn(process.execPath, run, { cwd: ROOT, stdio: "inherit", env });
// Ctrl-C goes to the tests by itself, and their end is waited for.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill());
child.on("exit", (code) => {
  rmSync(out, { recursive: true });
  process.exitCode = code ?? 1;
});
