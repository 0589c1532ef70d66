import { resolve } from "node:path";
import { countWorkers } from "../cluster/worker-settings.ts";
import { UsageError } from "../core/command-line.ts";
import { messageOf } from "../core/failures.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import { createPaint, showText } from "../core/terminal.ts";
import { accepts, CHILD_END_MS, type Child, portOf, startChild } from "../dev/child.ts";
import { ENV_FILE, makeFolder, RECORDING, readEnvFile, writeEnvFile } from "../dev/folder.ts";
import type { ReplayOptions } from "../dev/options.ts";
import type { DevRun } from "../dev/prepare.ts";
import { describeAttempt } from "../dev/print.ts";
import { type RecordingProxy, startProxy } from "../dev/proxy.ts";
import { findAttempt, openRecording, RECORDING_BYTES_MAX } from "../dev/recording.ts";
import { replay } from "../dev/replay.ts";
import { createSigner } from "../upstream/request.ts";
import { readRoutes } from "../upstream/routes.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { createTextLog } from "./log-text.ts";
import { urlHost } from "./serve-http.ts";

/** How long a function may take to listen before its developer is told that it does not. */
const SLOW_MS = 10_000;

/** What a developer's commands get from their process. */
export interface DevNeeds {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the reader of the output shows colours. */
  readonly hasColours: boolean;
  print(line: string): void;
}

/** A gateway and a function, running. */
export interface Dev {
  readonly gateway: Gateway;
  /** Resolves with a sentence when the function ended before it listened. */
  readonly failed: Promise<string>;
  /** Ends the gateway, then the function. */
  stop(): Promise<void>;
  /** How long a stop may take besides that of the gateway. */
  readonly stopMs: number;
  /** Kills the function. */
  kill(): void;
}

/**
 * Starts a gateway whose calls to functions are printed and recorded, and the function if the run
 * has a command. Throws `SettingsError`, {@link UsageError}, or what `startGateway` throws.
 *
 * Calls go through a server of this process that tells of them: so what is shown is what went over
 * the wire, and nothing of a gateway's own way to a function is different.
 */
export async function startDev(run: DevRun, needs: DevNeeds): Promise<Dev> {
  const { settings } = run;
  const { cwd, print } = needs;
  const paint = createPaint(needs.hasColours);
  const url = new URL(run.url);
  await check(run, url);
  let proxies: ReadonlyMap<string, RecordingProxy> = new Map();
  const rename = (text: string) =>
    [...proxies].reduce((all, [origin, proxy]) => all.replaceAll(proxy.origin, origin), text);
  const log = createTextLog(settings.log.level, { print, paint, rename });
  const warn = (text: string) => log("warn", { component: "dev" }, text);
  if (run.recordPath === RECORDING) inFolder(() => makeFolder(cwd));
  const recordPath = resolve(cwd, run.recordPath);
  const recording = openRecording(recordPath, { bytesMax: RECORDING_BYTES_MAX, failed: warn });
  let child: Child | undefined;
  proxies = await startProxies(settings, (origin) => ({
    answerBytesMax: settings.upstream.answerBytesMax,
    ready: async () => (origin === url.origin ? child?.ready() : undefined),
    seen(attempt) {
      for (const line of describeAttempt(recording.add(attempt), paint)) print(line);
    },
  }));
  // In the order of a stop: the function still hears of the sockets that leave with the gateway.
  let stopGateway = async (): Promise<void> => {};
  const stop = async (): Promise<void> => {
    await stopGateway();
    await child?.stop();
    await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
  };
  try {
    const through = { ...settings, upstream: redirect(settings.upstream, proxies) };
    const gateway = await startGateway(through, { log, folder: cwd, developing: true });
    stopGateway = gateway.stop;
    const env = { ...run.env, SLUICE_URL: apiUrl(gateway) };
    const isKept = Object.keys(run.kept).length > 0;
    if (isKept) inFolder(() => writeEnvFile(cwd, { ...run.kept, SLUICE_URL: env.SLUICE_URL }));
    greet(run, { gateway: gateway.url, api: env.SLUICE_URL, print });
    const { consoleUrl: page = "" } = gateway;
    const { SLUICE_KEY: key } = run.kept;
    if (key !== undefined) print(`sluice dev: console ${page.replace(/#.*/, "")}#key=${key}`);
    const { command } = run;
    if (command.length > 0) {
      const given = { ...needs.env, ...env, PORT: String(portOf(url)) };
      const say = (text: string) => print(`sluice dev: ${text}`);
      child = startChild({ command, env: given, url, slowMs: SLOW_MS, print: say });
    } else if (!(await accepts(url))) {
      warn(`nothing accepts connections at ${url.origin} yet`);
    }
    const failed = child?.failed ?? new Promise<never>(() => {});
    return { gateway, failed, stop, stopMs: CHILD_END_MS, kill: () => child?.kill() };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Throws for what would only show once calls are made, or that calls would hide. */
async function check({ settings, command }: DevRun, url: URL): Promise<void> {
  // The gateway itself sees only the proxies' URLs.
  readRoutes(settings.upstream);
  if (countWorkers(settings) > 0) {
    throw new UsageError("sluice dev runs one process: leave cluster.workers out");
  }
  if (command.length > 0 && (await accepts(url))) {
    const other = "end that, or name another port with --function URL";
    throw new UsageError(`something listens on port ${portOf(url)} already: ${other}`);
  }
}

function inFolder(write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new UsageError(`sluice dev keeps files in the folder .sluice: ${messageOf(error)}`);
  }
}

const ORIGIN = /^\s*[a-z][a-z0-9+.-]*:[/\\]*[^/\\?#]*/i;

/** Starts a proxy for each origin of the settings. */
async function startProxies(
  { upstream }: Settings,
  needsOf: (origin: string) => Parameters<typeof startProxy>[1],
): Promise<ReadonlyMap<string, RecordingProxy>> {
  const proxies = new Map<string, RecordingProxy>();
  for (const url of [upstream.url, ...upstream.routes.map((route) => route.url)]) {
    if (url === "") continue;
    const { origin } = new URL(url);
    if (!proxies.has(origin)) proxies.set(origin, await startProxy(origin, needsOf(origin)));
  }
  return proxies;
}

function redirect(
  upstream: Settings["upstream"],
  proxies: ReadonlyMap<string, RecordingProxy>,
): Settings["upstream"] {
  // Not by way of URL, which would encode the braces of templates.
  const to = (url: string) =>
    url === "" ? "" : url.replace(ORIGIN, proxies.get(new URL(url).origin)?.origin ?? "");
  const routes = upstream.routes.map((route) => ({ ...route, url: to(route.url) }));
  return { ...upstream, url: to(upstream.url), routes };
}

function apiUrl({ settings: { api }, url, port, apiPort }: Gateway): string {
  return apiPort === port ? url : `http://${urlHost(api.host)}:${apiPort}`;
}

function greet(
  run: DevRun,
  on: { readonly gateway: string; readonly api: string; print(line: string): void },
): void {
  const { kept, made } = run;
  on.print(`sluice dev: gateway ${on.gateway}, function ${showText(run.url)}`);
  on.print(`sluice dev: calls are recorded; sluice replay ${run.recordPath} sends the last again`);
  if (Object.keys(kept).length === 0) return;
  on.print(`sluice dev: what the function needs to know is in ${ENV_FILE}`);
  if (Object.keys(made).length === 0) return;
  const shown = { ...made, SLUICE_URL: on.api };
  for (const [name, value] of Object.entries(shown)) on.print(`  ${name}=${value}`);
}

/**
 * Sends a recorded call again and prints what is answered; resolves with whether that has a status
 * of 2xx. Throws `SettingsError` or {@link UsageError}.
 */
export async function runReplay(
  options: ReplayOptions,
  settings: Settings,
  { cwd, env, hasColours, print }: DevNeeds,
): Promise<boolean> {
  const recorded = findAttempt(resolve(cwd, options.path), options.call);
  const { upstream } = settings;
  checkUrl(upstream, options.url ?? recorded.url);
  const known = env.SLUICE_SECRET ?? readEnvFile(cwd).SLUICE_SECRET;
  const secrets = upstream.secrets.length > 0 ? upstream.secrets : (known?.split(",") ?? []);
  if (secrets.length === 0) {
    throw new UsageError(
      `what is the call signed with? Set upstream.secrets (SLUICE_UPSTREAM_SECRETS) or ` +
        `SLUICE_SECRET; there is none in ${ENV_FILE}`,
    );
  }
  const { url, newId } = options;
  const { timeoutMs, answerBytesMax } = upstream;
  const sign = createSigner(secrets, Date.now);
  const attempt = await replay(recorded, { url, newId, sign, timeoutMs, answerBytesMax });
  for (const line of describeAttempt(attempt, createPaint(hasColours))) print(line);
  const { answer } = attempt;
  if (answer?.body) print(showBody(answer.body));
  return answer !== undefined && answer.status >= 200 && answer.status < 300;
}

function checkUrl(upstream: Settings["upstream"], url: string): void {
  try {
    readRoutes({ ...upstream, url, routes: [], namespaces: ["/"] });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new SettingsError(error.problems.map((problem) => ({ ...problem, path: "--url" })));
  }
}

/** Returns a body in full, one member a line if it is JSON. */
function showBody(text: string): string {
  let lines = text;
  try {
    lines = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is shown as it came.
  }
  return lines.split("\n").map(showText).join("\n");
}
