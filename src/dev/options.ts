import { type CommandLine, UsageError } from "../core/command-line.ts";
import { RECORDING } from "./folder.ts";

/** What `sluice dev --help` prints. */
export const DEV_HELP = `sluice dev: a gateway and a function together, for whoever writes the function

  sluice dev --function URL            the function runs already, and answers at URL
  sluice dev [--function URL] -- COMMAND [ARGUMENT …]
                                       start the function too: PORT says where it is to listen,
                                       SLUICE_URL, SLUICE_KEY and SLUICE_SECRET what it needs

  --function URL     where the function answers; with a command http://127.0.0.1:8787/call by
                     default, and with port 0 a free port is taken
  --record FILE      where calls are recorded, as NDJSON (default: ${RECORDING}); at 16 MiB it
                     is renamed to FILE.1, in place of an older one
  --section.key …    any setting of the gateway, from the same sources as of sluice itself

Every call is printed with its answer, and recorded with all that the client sent; sluice replay
sends it again. Without upstream.secrets or api.keys, and without SLUICE_SECRET or SLUICE_KEY in the
environment, secrets are made once and kept in .sluice/dev.env (node --env-file=.sluice/dev.env).
Ctrl-C ends the gateway, then the function. A function that ends by itself is started again.

Exit codes: 0 stopped, 1 could not start, or the function ended before it listened, 78 options or
settings are not usable.
`;

/** What `sluice replay --help` prints. */
export const REPLAY_HELP = `sluice replay: sends a call that sluice dev has recorded to its function again

  sluice replay FILE [--call N|ID] [--url URL] [--new-id]

  --call N|ID        its number, or its webhook-id (default: the last call of FILE)
  --url URL          where it is sent (default: where it was sent before)
  --new-id           as a call that the function does not know; without, it has the same id
  --upstream.secrets what it is signed with (default: SLUICE_SECRET of the environment, then that
                     of .sluice/dev.env); other settings of the section upstream hold too

The answer is printed. Its commands are not carried out: no gateway takes part.

Exit codes: 0 answered with 2xx, 1 anything else, 78 options, settings or FILE are not usable.
`;

/** Options of `sluice dev`. */
export interface DevOptions {
  readonly functionUrl: string | undefined;
  readonly recordPath: string;
  /** The function's program and its arguments; empty if it runs already. */
  readonly command: readonly string[];
}

/** Options of `sluice replay`. */
export interface ReplayOptions {
  readonly path: string;
  readonly call: string | undefined;
  readonly url: string | undefined;
  readonly newId: boolean;
}

/** Returns the options of `sluice dev`, and the other flags. Throws {@link UsageError}. */
export function readDevOptions(line: CommandLine) {
  const [, ...more] = line.words;
  if (more.length > 0) {
    throw new UsageError(`sluice dev: put -- before the function's command: -- ${more.join(" ")}`);
  }
  const { take, flags } = takeFlags("dev", line);
  const options: DevOptions = {
    functionUrl: take("function", "a URL, such as http://127.0.0.1:8787/call"),
    recordPath: take("record", "a file") ?? RECORDING,
    command: line.rest,
  };
  return { options, flags };
}

/** Returns the options of `sluice replay`, and the other flags. Throws {@link UsageError}. */
export function readReplayOptions(line: CommandLine) {
  const [, path, ...more] = line.words;
  if (path === undefined || more.length > 0 || line.rest.length > 0) {
    throw new UsageError(
      "sluice replay wants one file, such as sluice replay .sluice/calls.ndjson",
    );
  }
  const { take, flags } = takeFlags("replay", line);
  const options: ReplayOptions = {
    path,
    call: take("call", "the number of a call, or its id"),
    url: take("url", "a URL"),
    newId: line.switches.has("new-id"),
  };
  return { options, flags };
}

/** Takes out flags that are no settings. */
function takeFlags(command: string, line: CommandLine) {
  const flags = new Map(line.flags);
  const take = (name: string, wanted: string): string | undefined => {
    const value = flags.get(name);
    if (flags.delete(name) && !value) {
      throw new UsageError(`sluice ${command}: --${name} wants ${wanted}`);
    }
    return value;
  };
  return { take, flags };
}
