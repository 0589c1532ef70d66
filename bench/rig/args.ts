import type { Mode, Options } from "./scenario.ts";

/** A command line that the benchmark understood. */
export interface CommandLine extends Options {
  /** Words that are not options: the command or scenario first. */
  readonly rest: readonly string[];
  /** The option's text, or undefined when it was not given. */
  text(name: string): string | undefined;
}

/** A command line that was not understood; its message is for the user. */
export class UsageError extends Error {}

/** Options without a value. */
const SWITCHES = new Set(["quick", "full", "strict", "help", "no-room", "insecure", "peers"]);
/** Options with a value, of all scenarios and commands. */
const VALUES = new Set([
  ...["members", "payload", "frames", "shapes", "codec", "against", "rounds", "seconds", "rate"],
  ...["connections", "stalled", "seed", "results", "with", "url", "clients", "room"],
  ...["auth", "ca", "namespace", "path", "join", "send", "senders", "settle", "only", "batch"],
]);

/** Reads `--name value`, `--name=value` and switches; throws {@link UsageError}. */
export function readArgs(argv: readonly string[]): CommandLine {
  const given = new Map<string, string>();
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (!word.startsWith("--")) {
      rest.push(word);
      continue;
    }
    const [name = "", ...value] = word.slice(2).split("=");
    if (SWITCHES.has(name)) given.set(name, "");
    else if (!VALUES.has(name)) throw new UsageError(`there is no option --${name}`);
    else if (value.length > 0) given.set(name, value.join("="));
    else {
      const next = argv[++i];
      if (next === undefined || next.startsWith("--"))
        throw new UsageError(`--${name} needs a value`);
      given.set(name, next);
    }
  }
  if (given.has("quick") && given.has("full"))
    throw new UsageError("--quick and --full exclude each other");
  const mode: Mode = given.has("quick") ? "quick" : given.has("full") ? "full" : "short";
  return createOptions(given, rest, mode);
}

function createOptions(
  given: ReadonlyMap<string, string>,
  rest: readonly string[],
  mode: Mode,
): CommandLine {
  const numbers: Options["numbers"] = (name, byMode) => {
    const text = given.get(name);
    if (text === undefined) return byMode[mode];
    return text.split(",").map((part) => readNumber(name, part));
  };
  return {
    rest,
    mode,
    isNamed: rest.length > 0,
    has: (name) => given.has(name),
    text: (name) => given.get(name),
    numbers,
    number(name, byMode) {
      const [one, ...more] = numbers(name, mapModes(byMode));
      if (one === undefined || more.length > 0) throw new UsageError(`--${name} takes one number`);
      return one;
    },
    words: (name, byDefault) => given.get(name)?.split(",") ?? byDefault,
  };
}

function mapModes(byMode: Readonly<Record<Mode, number>>): Record<Mode, number[]> {
  return { quick: [byMode.quick], short: [byMode.short], full: [byMode.full] };
}

function readNumber(name: string, text: string): number {
  const n = Number(text.replace(/k$/, "000"));
  if (text.trim() === "" || !Number.isFinite(n) || n < 0)
    throw new UsageError(`--${name} ${text} is not a number`);
  return n;
}
