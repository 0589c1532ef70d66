/**
 * A reporter for node:test: names the slowest test files at the end of a run, and how long all files
 * took together. Where they run beside each other, the run is shorter than that sum.
 */
import { relative, resolve } from "node:path";

/** How many files are named. */
const NAMED_MAX = 10;

/** What is read of the events of node:test. */
interface Event {
  readonly type: string;
  readonly data?: unknown;
}

/** Returns the file that ended with `event`, and how long its process took, in milliseconds. */
function readEnd({ type, data }: Event): [file: string, ms: number] | undefined {
  if (type !== "test:complete" || typeof data !== "object" || data === null) return undefined;
  const { name, file, details } = data as { name?: string; file?: string; details?: object };
  // The process of a file is a test that is named like it; newer Node.js names it as it was given.
  if (file === undefined || name === undefined || resolve(name) !== file) return undefined;
  const { duration_ms: ms } = { duration_ms: 0, ...details };
  return [file, ms];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(9);

/** Yields the lines that say which files were slowest. */
export default async function* slowest(events: AsyncIterable<Event>): AsyncGenerator<string> {
  const took = new Map<string, number>();
  for await (const event of events) {
    const end = readEnd(event);
    if (end) took.set(...end);
  }
  const rows = [...took].sort(([, one], [, other]) => other - one).slice(0, NAMED_MAX);
  if (rows.length === 0) return;
  const sum = [...took.values()].reduce((all, ms) => all + ms, 0);
  yield `\nthe slowest of ${took.size} files, which took ${seconds(sum).trim()} together:\n`;
  for (const [file, ms] of rows) yield `${seconds(ms)}  ${nameOf(file)}\n`;
}

/** Returns the name of a bundled file as it is in the tree. */
function nameOf(file: string): string {
  const path = relative(process.cwd(), file);
  return path.replace(/^node_modules\/\.cache\/tests-[^/]+\//, "").replace(/\.js$/, ".ts");
}
