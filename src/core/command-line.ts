import { parseArgs } from "node:util";

/** Exit codes of the process. */
export const EXIT = {
  failed: 1,
  /** EX_CONFIG of sysexits.h. */
  settings: 78,
} as const;

/** What `sluice --help` prints. */
export const HELP = `sluice: a Socket.IO event gateway

  sluice [--config FILE] [--section.key VALUE …]   runs the gateway
  sluice dev [--function URL] [-- COMMAND …]        runs it with a function, and prints every call
  sluice replay FILE [--call N|ID]                  sends a recorded call to its function again
  sluice doctor [--config FILE] […]                 checks this machine and the settings
  sluice --settings                                 lists every setting
  sluice --version                                  prints the version
  sluice dev --help, sluice replay --help           print more about a command

Settings come from these sources. The first that has a setting wins:
  1. flags:                 --socket.port 3000
  2. the environment:       SLUICE_SOCKET_PORT=3000, and PORT
  3. the file of --config:  {"socket": {"port": 3000}}
  4. defaults

Set handlers.module or upstream.url to answer events. With neither, the room chat of
examples/chat.ts runs; with NODE_ENV=production, the gateway then does not start.

Exit codes: 0 stopped, 1 could not start, 78 a setting is wrong.
`;

/** A wrong use of the command line or the environment: printed as one sentence, without a stack. */
export class UsageError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.settings) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A command line, taken apart. */
export interface CommandLine {
  /** What is neither a flag nor its value, such as the name of a command. */
  readonly words: readonly string[];
  /** The value of `--config`. */
  readonly config: string | undefined;
  /** Flags by name, without their dashes; undefined for one without a value. */
  readonly flags: ReadonlyMap<string, string | undefined>;
  /** Flags that take no value. */
  readonly switches: ReadonlySet<string>;
  /** Everything after `--`. */
  readonly rest: readonly string[];
}

const SWITCHES = new Set(["help", "settings", "version", "new-id"]);

/** Takes a command line apart. Throws {@link UsageError}. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const { tokens } = parseArgs({ args: [...own], strict: false, tokens: true });
  const flags = new Map<string, string | undefined>();
  const switches = new Set<string>();
  const words: string[] = [];
  const used = new Set<number>();
  for (const token of tokens) {
    if (used.has(token.index)) continue; // the value of a flag may look like one, such as -1
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    // parseArgs reads -port as four flags; here it is one, so that the error names it.
    const isShort = !token.rawName.startsWith("--");
    const given = isShort ? (own[token.index] ?? "").slice(1) : token.name;
    const name = given === "h" ? "help" : given;
    if (isShort) used.add(token.index);
    if (SWITCHES.has(name)) {
      switches.add(name);
      continue;
    }
    const next = own[token.index + 1];
    const inline = token.inlineValue === true;
    const value = inline ? token.value : next?.startsWith("--") ? undefined : next;
    if (!inline && value !== undefined) used.add(token.index + 1);
    if (name === "config" && !value) throw new UsageError("--config needs a file");
    flags.set(name, value);
  }
  const config = flags.get("config");
  flags.delete("config");
  return { words, config, flags, switches, rest: end < 0 ? [] : args.slice(end + 1) };
}
