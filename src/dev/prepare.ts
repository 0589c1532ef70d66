import { createServer } from "node:net";
import { UsageError } from "../core/command-line.ts";
import { readSettings, type Settings } from "../core/settings.ts";
import { SHORT_DRAIN, withDefaults } from "../core/sources.ts";
import { type FunctionEnv, makeSecrets, readEnvFile } from "./folder.ts";
import type { DevOptions } from "./options.ts";

/** Where a function that is started listens unless told otherwise. */
const FUNCTION_URL = "http://127.0.0.1:8787/call";

/** Settings that `sluice dev` has defaults of its own for: a stop is at once, and lines are few. */
const DEFAULTS = { ...SHORT_DRAIN, log: { level: "warn" } } as const;

/** A run of `sluice dev`, ready to start. */
export interface DevRun extends DevOptions {
  readonly settings: Settings;
  /** Where the function is that a command starts, or that is named; else of the first route. */
  readonly url: string;
  /** What the function is told. */
  readonly env: FunctionEnv;
  /** Those secrets that come from, or belong into, the file of the folder. */
  readonly kept: Partial<FunctionEnv>;
  /** Those of them that were made just now. */
  readonly made: Partial<FunctionEnv>;
}

/**
 * Resolves with the settings of `given` for a run: the function's URL and the secrets that are
 * missing put in. Rejects with {@link UsageError} or `SettingsError`.
 */
export async function prepareDev(
  options: DevOptions,
  {
    given,
    env,
    cwd,
  }: {
    readonly given: unknown;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly cwd: string;
  },
): Promise<DevRun> {
  const own = readSettings(given);
  const url = await chooseUrl(options, own);
  const secrets = chooseSecrets(own, readEnvFile(cwd), env);
  const tree = withDefaults(given, DEFAULTS);
  if (options.functionUrl !== undefined || own.upstream.routes.length === 0) {
    tree.upstream = { ...tree.upstream, url };
  }
  tree.upstream = { ...tree.upstream, secrets: secrets.env.SLUICE_SECRET.split(",") };
  if (own.api.keys.length === 0) {
    tree.api = { ...tree.api, keys: [`dev:${secrets.env.SLUICE_KEY}`] };
  }
  const settings = readSettings(tree);
  return { ...options, ...secrets, settings, url };
}

/** Returns where the function is; a port 0 becomes a free one. */
async function chooseUrl({ functionUrl, command }: DevOptions, own: Settings): Promise<string> {
  const { url, routes } = own.upstream;
  const byDefault = command.length > 0 ? FUNCTION_URL : "";
  const chosen = functionUrl ?? (url || routes[0]?.url || byDefault);
  if (chosen === "") {
    throw new UsageError(
      "name the function: sluice dev --function URL, or sluice dev -- COMMAND to start it too",
    );
  }
  if (!URL.canParse(chosen)) {
    const shown = JSON.stringify(chosen.slice(0, 200));
    throw new UsageError(`--function ${shown} must be a URL, such as ${FUNCTION_URL}`);
  }
  if (new URL(chosen).port !== "0") return chosen;
  if (command.length > 0) return chosen.replace(/:0(?=[/?#]|$)/, `:${await findFreePort()}`);
  throw new UsageError(`--function ${chosen} must have a port, unless a command starts it`);
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Takes secrets from the settings, the function's own variables, the file, or makes them. */
function chooseSecrets(
  { upstream, api }: Settings,
  file: Partial<FunctionEnv>,
  env: Readonly<Record<string, string | undefined>>,
): Pick<DevRun, "env" | "kept" | "made"> {
  const set = {
    SLUICE_SECRET: upstream.secrets.join(",") || env.SLUICE_SECRET,
    SLUICE_KEY: api.keys[0]?.split(":")[1] || env.SLUICE_KEY,
  };
  const fresh = makeSecrets();
  const kept: { -readonly [Name in keyof FunctionEnv]?: string } = {};
  const made: typeof kept = {};
  const choose = (name: keyof FunctionEnv): string => {
    const known = set[name];
    if (known) return known;
    const found = file[name];
    if (found === undefined) made[name] = fresh[name];
    const chosen = found ?? fresh[name];
    kept[name] = chosen;
    return chosen;
  };
  const chosen = { SLUICE_SECRET: choose("SLUICE_SECRET"), SLUICE_KEY: choose("SLUICE_KEY") };
  return { env: chosen, kept, made };
}
