#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { countWorkers } from "./cluster/worker-settings.ts";
import { type CommandLine, EXIT, HELP, readCommandLine, UsageError } from "./core/command-line.ts";
import { messageOf } from "./core/failures.ts";
import { formatClients, type Log } from "./core/log.ts";
import {
  hasUpstream,
  listSettings,
  readSettings,
  type Settings,
  SettingsError,
} from "./core/settings.ts";
import { readSettingsFile } from "./core/settings-json.ts";
import {
  mergeSettings,
  nameSources,
  type SettingSources,
  SHORT_DRAIN,
  withDefaults,
} from "./core/sources.ts";
import { createPaint } from "./core/terminal.ts";
import { readVersion } from "./core/version.ts";
import { checkSettings } from "./gateway/check-settings.ts";
import { examine } from "./gateway/doctor.ts";
import { type Gateway, type OwnNeeds, startOwn } from "./gateway/gateway.ts";
import { createLogOutput, createPinoLog, type LogOutput } from "./gateway/log-output.ts";
import { logStart } from "./gateway/start-lines.ts";
import { createAggregate } from "./metrics/aggregate.ts";

/** Returns all that the settings are made of, also to name it in errors. */
function readSources({ config, flags }: CommandLine): SettingSources {
  const file = config === undefined ? {} : readSettingsFile(config);
  return { flags, env: process.env, file, fileName: config };
}

const isProduction = () => process.env.NODE_ENV === "production";

/** Whether a person reads the output, in a terminal. */
const isTerminal = () => process.stdout.isTTY === true;

/** Returns the settings of a gateway: for whoever tries it in a terminal, a stop is at once. */
function readRunSettings(sources: SettingSources): Settings {
  const given = mergeSettings(sources);
  const settings = readSettings(given);
  if (isProduction() || !isTerminal()) return settings;
  return readSettings(withDefaults(given, SHORT_DRAIN));
}

function printSettings(): void {
  for (const row of listSettings()) {
    const byDefault = row.secret ? "" : ` [${JSON.stringify(row.byDefault)}]`;
    console.log(`${row.path}  ${row.env}\n    ${row.text} (${row.bound})${byDefault}`);
  }
}

/** Returns the path of the example chat: the TypeScript file in a clone, else the compiled one. */
function findChat(): string {
  const source = fileURLToPath(new URL("../examples/chat.ts", import.meta.url));
  const compiled = fileURLToPath(new URL("./examples/chat.js", import.meta.url));
  return import.meta.url.endsWith(".ts") && existsSync(source) ? source : compiled;
}

function chooseHandler(settings: Settings, production: boolean): Settings {
  if (settings.handlers.module || hasUpstream(settings)) return settings;
  if (production) {
    throw new UsageError(
      "NODE_ENV is production, but nothing handles events: set handlers.module " +
        "(SLUICE_HANDLERS_MODULE) to a module whose default export is (io) => void, or " +
        "upstream.url (SLUICE_UPSTREAM_URL) to a function",
    );
  }
  return { ...settings, handlers: { ...settings.handlers, module: findChat() } };
}

/** npm repeats a Ctrl-C that the process has had from the terminal: ignore a repeat within this. */
const ECHO_MS = 500;

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Calls `stopAndExit` at the first signal, with what the log is to say of a second. */
function stopOnSignals(
  stopAndExit: (note: string) => void,
  { signals = STOP_SIGNALS, log }: { readonly signals?: readonly NodeJS.Signals[]; log?: Log } = {},
): void {
  let stoppingAt: number | undefined;
  for (const signal of signals) {
    process.on(signal, () => {
      if (stoppingAt === undefined) {
        stoppingAt = performance.now();
        stopAndExit(signal === "SIGINT" && isTerminal() ? "; again to quit now" : "");
        return;
      }
      // A second signal ends the process at once.
      if (performance.now() - stoppingAt <= ECHO_MS) return;
      log?.("warn", { component: "gateway", signal }, "quit by a second signal");
      process.exit(EXIT.failed);
    });
  }
}

/** How long a stop may take besides `socket.drainMs` and `upstream.drainMs`; docs/operating.md. */
const STOP_MS = 2000;

/** Returns how long a stop may take. */
function countStopMs(settings: Settings): number {
  const { socket, upstream } = settings;
  return socket.drainMs + (hasUpstream(settings) ? upstream.drainMs : 0) + STOP_MS;
}

/** How long the process waits at its end for a slow reader of the log. */
const FLUSH_MS = 500;

/** The log of the process, and a way to exit after the log has been written. */
interface Process {
  readonly log: Log;
  readonly output: LogOutput;
  exit(code: number): void;
}

async function startLog({ log: { level, bufferBytesMax, format } }: Settings): Promise<Process> {
  const output = createLogOutput(process.stdout.fd, bufferBytesMax);
  // However the process ends, try once more to write the queued lines.
  process.on("exit", () => void output.flush(0));
  const exit = (code: number) => void output.flush(FLUSH_MS).then(() => process.exit(code));
  const isText = format === "text" || (format === "auto" && isTerminal());
  const log = isText ? await createReadableLog(level, output) : createPinoLog(level, output);
  return { log, output, exit };
}

async function createReadableLog(
  level: Settings["log"]["level"],
  { write }: LogOutput,
): Promise<Log> {
  const { createTextLog } = await import("./gateway/log-text.ts");
  const paint = createPaint(hasColours());
  return createTextLog(level, { paint, print: (line) => write(`${line}\n`) });
}

const hasColours = () => isTerminal() && !process.env.NO_COLOR;

/**
 * Keeps errors of stdout and stderr (the reader is gone, the disk is full) from ending the process:
 * `sluice --settings | head`, or a handler module that prints. A failed write, such as on a full
 * disk, sets the exit code; a reader that is gone does not.
 */
function ignoreOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code !== "EPIPE") process.exitCode = EXIT.failed;
    });
  }
}

/** Stops, then exits with 0; also if the stop takes too long, or the platform would kill it. */
function exitAfter(stop: () => Promise<void>, { log, exit }: Process, settings: Settings): void {
  const withinMs = countStopMs(settings);
  setTimeout(() => {
    log(
      "warn",
      { component: "gateway", withinMs },
      "not everything had ended when the stop had to",
    );
    process.exit(0);
  }, withinMs).unref();
  stop().then(() => exit(0), fail);
}

/**
 * Raises uWebSockets.js' own bound on a request's head. Its 4 KiB are too little for a token and
 * some cookies. It reads the variable when its binary is loaded, which happens later.
 */
function raiseHeaderBound({ limits }: Settings): void {
  const lines = 2048; // the request line without its query, and the separators of headers
  const bytes = limits.headerBytesMax + limits.queryBytesMax + lines;
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(bytes);
}

/**
 * Reads a new certificate at SIGHUP, as other servers do. Without a listener the signal would end
 * the process, so it is listened to before the gateway exists: call the returned function with the
 * gateway, which reloads then if a signal has come.
 */
function reloadOnSignal(): (gateway: Pick<Gateway, "reload">) => void {
  let asked = false;
  let act = (): void => {
    asked = true;
  };
  process.on("SIGHUP", () => act());
  return ({ reload }) => {
    act = reload;
    if (asked) reload();
  };
}

/**
 * Keeps uncaught errors from ending the process. They come from timers and unawaited promises of
 * handlers: the process runs nothing else, so they are counted as failures of handlers.
 */
function surviveUncaught({ settings, uncaught }: Gateway): void {
  if (settings.handlers.onError === "log") process.on("uncaughtException", uncaught);
}

function fail(error: unknown): never {
  const known = error instanceof UsageError || error instanceof SettingsError;
  const text = messageOf(error);
  console.error(`sluice: ${text}`);
  const exitCode =
    error instanceof UsageError ? error.exitCode : known ? EXIT.settings : EXIT.failed;
  process.exit(exitCode);
}

const readDevNeeds = () => ({
  cwd: process.cwd(),
  env: process.env,
  hasColours: hasColours(),
  print: (text: string) => console.log(text),
});

/** Runs `sluice dev`: a gateway, and a function beside it. */
async function develop(line: CommandLine, sources: SettingSources): Promise<void> {
  if (isProduction()) {
    throw new UsageError(
      "NODE_ENV is production, and sluice dev prints and records all that clients send",
    );
  }
  // Signals are heard from the start on. A terminal that is closed sends SIGHUP.
  let stop = (_note: string): void => process.exit(0);
  stopOnSignals((note) => stop(note), { signals: [...STOP_SIGNALS, "SIGHUP"] });
  const { readDevOptions } = await import("./dev/options.ts");
  const { prepareDev } = await import("./dev/prepare.ts");
  const { startDev } = await import("./gateway/serve-dev.ts");
  const needs = readDevNeeds();
  const { options, flags } = readDevOptions(line);
  const given = mergeSettings({ ...sources, flags });
  const run = await prepareDev(options, { ...needs, given });
  raiseHeaderBound(run.settings);
  const dev = await startDev(run, needs);
  // However the process ends, its function must not go on without it.
  process.on("exit", dev.kill);
  stop = (note) => {
    const { clientsCount } = dev.gateway.io.engine;
    needs.print(`sluice dev: stopping, ${formatClients(clientsCount)}${note}`);
    setTimeout(() => process.exit(0), countStopMs(run.settings) + dev.stopMs).unref();
    dev.stop().then(() => process.exit(0), fail);
  };
  void dev.failed.then(async (why) => {
    await dev.stop();
    fail(new UsageError(why, EXIT.failed));
  });
  surviveUncaught(dev.gateway);
}

/** Runs `sluice replay`. */
async function replay(line: CommandLine, sources: SettingSources): Promise<void> {
  const { readReplayOptions } = await import("./dev/options.ts");
  const { runReplay } = await import("./gateway/serve-dev.ts");
  const { options, flags } = readReplayOptions(line);
  const settings = readSettings(mergeSettings({ ...sources, flags }));
  const isAnswered = await runReplay(options, settings, readDevNeeds());
  process.exitCode = isAnswered ? 0 : EXIT.failed;
}

async function printHelp([word]: readonly string[]): Promise<void> {
  if (word !== "dev" && word !== "replay") return console.log(HELP);
  const { DEV_HELP, REPLAY_HELP } = await import("./dev/options.ts");
  console.log(word === "dev" ? DEV_HELP : REPLAY_HELP);
}

/** Throws unless a command line has only what its command takes. */
function checkWords({ words, switches, rest }: CommandLine): void {
  const [word, ...more] = words;
  if (word !== "replay" && switches.has("new-id")) {
    throw new UsageError("--new-id is for sluice replay");
  }
  if (word === "dev" || word === "replay") return; // they look at the others themselves
  const others = word === "doctor" ? more : words;
  if (others.length + rest.length === 0) return;
  const given = [...words, ...rest].join(" ");
  throw new UsageError(`there is no command ${given}; see sluice --help`, EXIT.failed);
}

async function main(): Promise<void> {
  ignoreOutputErrors();
  const line = readCommandLine(process.argv.slice(2));
  if (line.switches.has("help")) return printHelp(line.words);
  if (line.switches.has("settings")) return printSettings();
  if (line.switches.has("version")) return console.log(readVersion());
  checkWords(line);
  const sources = readSources(line);
  try {
    await runCommand(line, sources);
  } catch (error) {
    throw error instanceof SettingsError ? nameSources(error, sources) : error;
  }
}

async function runCommand(line: CommandLine, sources: SettingSources): Promise<void> {
  const production = isProduction();
  switch (line.words[0]) {
    case "dev":
      return develop(line, sources);
    case "replay":
      return replay(line, sources);
    case "doctor": {
      const settings = readSettings(mergeSettings(sources));
      const sound = await examine(settings, { production, sources, print: console.log });
      process.exitCode = sound ? 0 : EXIT.failed;
      return;
    }
    default:
      return run(sources, production);
  }
}

/** Runs a gateway, the primary of several, or one of their workers. */
async function run(sources: SettingSources, production: boolean): Promise<void> {
  const given = readRunSettings(sources);
  const settings = chooseHandler(given, production);
  const example = settings !== given;
  raiseHeaderBound(settings);
  const folder = process.cwd();
  const hasWorkers = countWorkers(settings) > 0;
  const own = await startLog(settings);
  const { log, output } = own;
  const needs = {
    ...{ log, linesDropped: output.dropped, folder },
    ...{ production, developing: !production, example },
  };
  const reloads = reloadOnSignal();
  if (!hasWorkers) return reloads(await runAlone(settings, needs, own));
  const { isWorker, startPrimary } = await import("./cluster/workers.ts");
  if (isWorker()) return reloads(await work(settings, needs, own));
  // Here, because each worker would say the same.
  await checkSettings(settings, { folder, hasWorkers });
  // Listen before the first worker starts, or a signal would end only the primary. Workers stop
  // one by one.
  stopOnSignals((note) => void primary.stop(note).then(() => own.exit(0), fail), { log });
  const primary = startPrimary(settings, {
    ...{ log, metrics: createAggregate(output.dropped), exit: own.exit },
    stopMs: countStopMs(shareDrain(settings)) + STOP_MS,
  });
  logStart(settings, needs);
  reloads(primary);
}

/** Runs a gateway that is one process. */
async function runAlone(settings: Settings, needs: OwnNeeds, own: Process): Promise<Gateway> {
  // Listen before the gateway starts, which may wait for Redis or for the handler module. The
  // first process of a container ignores a signal without a listener.
  let stop = (): void => process.exit(0);
  let stopNote = "";
  stopOnSignals(
    (note) => {
      stopNote = note;
      stop();
    },
    { log: own.log },
  );
  const gateway = await startOwn(settings, { ...needs, stopNote: () => stopNote });
  stop = () => exitAfter(gateway.stop, own, settings);
  surviveUncaught(gateway);
  return gateway;
}

/** Returns the settings of one worker: workers drain one by one and share `socket.drainMs`. */
function shareDrain(settings: Settings): Settings {
  const drainMs = Math.floor(settings.socket.drainMs / countWorkers(settings));
  return { ...settings, socket: { ...settings.socket, drainMs } };
}

/** Runs one worker. It ignores signals, because the primary tells each worker when to stop. */
async function work(settings: Settings, needs: OwnNeeds, own: Process): Promise<Gateway> {
  const { joinPrimary } = await import("./cluster/workers.ts");
  const primary = joinPrimary();
  for (const signal of STOP_SIGNALS) process.on(signal, () => {});
  const shared = shareDrain(settings);
  const gateway = await startOwn(shared, { ...needs, worker: primary });
  surviveUncaught(gateway);
  primary.onStop(() => exitAfter(gateway.stop, own, shared));
  primary.listening();
  return gateway;
}

await main().catch(fail);
