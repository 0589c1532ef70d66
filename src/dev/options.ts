import { type CommandLine, UsageError } from "../core/command-line.ts";
import { RECORDING } from "./folder.ts";

/** What `sluice dev --help` prints. */
export const DEV_HELP = `sluice dev: runs a gateway together with a function that you write

  sluice dev --function URL            calls a function that runs already
  sluice dev [--function URL] -- COMMAND [ARGUMENT …]
                                       starts the function, too. It gets PORT (where it must
                                       listen), SLUICE_URL, SLUICE_KEY and SLUICE_SECRET

  --function URL     address of the function. With a command, the default is
                     http://127.0.0.1:8787/call; port 0 means a free port
  --record FILE      where calls are recorded, as NDJSON (default: ${RECORDING}). At
                     16 MiB the file is renamed to FILE.1, which replaces an older one
  --section.key …    any setting of the gateway, from the same sources as for sluice

Every call is printed with its answer, and recorded with everything that the client sent. sluice
replay sends it again. If upstream.secrets or api.keys is not set, and SLUICE_SECRET or SLUICE_KEY
is not in the environment, secrets are made once and stored in .sluice/dev.env. To use them:
node --env-file=.sluice/dev.env. Ctrl-C stops the gateway, then the function. If the function ends,
it is restarted.

Exit codes: 0 stopped, 1 could not start, or the function ended before it listened, 78 an option or
setting is wrong.
`;

/** What `sluice replay --help` prints. */
export const REPLAY_HELP = `sluice replay: sends a recorded call of sluice dev to its function again

  sluice replay FILE [--call N|ID] [--url URL] [--new-id]

  --call N|ID        its number or its webhook-id (default: the last call in FILE)
  --url URL          where to send it (default: where it was sent before)
  --new-id           sends it with a new id, as a new call (default: the same id)
  --upstream.secrets the secret to sign it with (default: SLUICE_SECRET of the environment, then
                     of .sluice/dev.env). Other settings of the section upstream work, too

Prints the answer. The commands in it are not carried out, because no gateway is involved.

Exit codes: 0 the function answered with 2xx, 1 anything else, 78 an option, a setting or FILE is
wrong.
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
      "sluice replay needs one file, such as sluice replay .sluice/calls.ndjson",
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
      throw new UsageError(`sluice ${command}: --${name} needs ${wanted}`);
    }
    return value;
  };
  return { take, flags };
}
