/**
 * Which test files say something of the binary of uWebSockets.js. CI runs the whole suite with one
 * binary, and these again with the other: `main.ts --binary`.
 */
import type { Metafile } from "esbuild";

/** Rooms whose tests run with both binaries, whatever they load. */
export const BOTH =
  /^test\/(api|cluster|codec|contract|door|e2e|fanout|host|hostile|socket)\/|^test\/rooms\./;

/** What loads the binary. */
const LOADER = "src/host/native.ts";

/** What starts processes, which may load it. */
const STARTERS: ReadonlySet<string> = new Set([
  "child_process",
  "cluster",
  "worker_threads",
  "playwright-core",
]);

/** Tests that load a binary or start processes, and have the same outcome with any binary. */
export const SAME: readonly (readonly [files: RegExp, why: string])[] = [
  [/^test\/bench\//, "command lines, arithmetic and reports of the bench; no figure is checked"],
  [/^test\/chaos\//, "functions that fail: calls are made by undici, and kept in Redis"],
  [/^test\/console\/.*[.]slow[.]/, "the console in a browser, by routes that api and e2e try"],
  [/^test\/core\/editor[.]slow[.]/, "what TypeScript shows of the settings"],
  [
    /^test\/deploy\/(?!proxies|health)/,
    "what platforms, Prometheus and Grafana read: the same text with any binary",
  ],
  [/^test\/edge\//, "the SDK of functions, which run elsewhere"],
  [/^test\/package\/(lint|binaries)[.]/, "what is in the packages; the others in there run them"],
  [/^test\/guides\//, "what the guides show: the same with any binary"],
  [/^test\/nest\/installed[.]/, "the example and the page of Nest from the package"],
  [/^test\/project\//, "workflows, releases and other files of the repository"],
  [/^test\/upstream\/.*[.]slow[.]/, "calls are made by undici, and kept in Redis"],
];

/** Returns the files whose tests may have another outcome with another binary. */
export function findOfBinary(files: readonly string[], inputs: Metafile["inputs"]): string[] {
  const isSame = (file: string) => SAME.some(([pattern]) => pattern.test(file));
  return files.filter((file) => BOTH.test(file) || (!isSame(file) && reaches(file, inputs)));
}

/** Whether a file, or what it imports, loads the binary or starts processes. */
function reaches(entry: string, inputs: Metafile["inputs"]): boolean {
  const seen = new Set([entry]);
  for (const file of seen) {
    if (file === LOADER) return true;
    for (const { path, external } of inputs[file]?.imports ?? []) {
      if (!external) seen.add(path);
      else if (STARTERS.has(path.replace(/^node:/, ""))) return true;
    }
  }
  return false;
}
