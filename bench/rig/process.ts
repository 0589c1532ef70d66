import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Watched, WatchOptions } from "../generator/broadcast.ts";
import type { Echoed, EchoOptions } from "../generator/echo.ts";
import type { Connected, FleetOptions } from "../generator/fleet.ts";
import type { Loaded, LoadOptions } from "../generator/load.ts";
import type { Resumed, ResumeOptions } from "../generator/stall.ts";
import type { Witnessed, WitnessOptions } from "../generator/witness.ts";
import type { Emitted, PaceOptions, SaturateOptions } from "../subjects/emit.ts";
import type { Lag } from "./lag.ts";
import { type Call, createCaller } from "./rpc.ts";

/** A child process of the benchmark. */
export interface Child {
  readonly pid: number;
  readonly call: Call;
  /** Ends it and resolves when it is gone; it is killed after a grace. */
  end(): Promise<void>;
}

/** CPU since a process began, and what else it tells about itself. */
export interface Usage {
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  /** Time it was ready to run while its core ran something else; 0 where it is not told. */
  readonly runDelayS: number;
  /** How often one of its threads gave up its core because it had nothing to do. */
  readonly switches: number;
  readonly atUs: number;
  readonly memory: { rss: number; heapUsed: number; external: number; arrayBuffers: number };
  /** Of its event loop since the last look that was asked to watch it; zeros without one. */
  readonly lag: Lag;
}

/** A server under measurement, in a process of its own. */
export interface SubjectHandle extends Child {
  readonly name: string;
  readonly port: number;
  readonly about: Readonly<Record<string, string>>;
  creditPort(): Promise<number>;
  saturate(options: SaturateOptions): Promise<Emitted>;
  pace(options: PaceOptions): Promise<Emitted>;
  connections(): Promise<number>;
  usage(options?: { collect?: boolean; watchLag?: boolean }): Promise<Usage>;
}

/** A generator, in a process of its own. */
export interface GeneratorHandle extends Child {
  connect(options: FleetOptions): Promise<Connected>;
  watch(options: WatchOptions): Promise<void>;
  settle(lastSequence: number, quietMs: number): Promise<Watched & { lag: Lag }>;
  echo(options: EchoOptions): Promise<Echoed & { lag: Lag }>;
  load(options: LoadOptions): Promise<Loaded & { lag: Lag }>;
  /** First call: real clients connect. Second call: what they saw. */
  witness(options: WitnessOptions): Promise<Witnessed | undefined>;
  stall(count: number): Promise<void>;
  resume(options: ResumeOptions): Promise<Resumed>;
  drop(): Promise<void>;
  usage(): Promise<Pick<Usage, "cpuUserS" | "cpuSysS" | "atUs">>;
}

/** Which core a process is pinned to; undefined leaves it to the kernel. */
export interface Placement {
  readonly server: number | undefined;
  readonly client: number | undefined;
}

/** Returns the first two cores this process may use, if there are two and `taskset` exists. */
export function readPlacement(): Placement {
  const [server, client] = readAllowedCores();
  const canPin = client !== undefined && spawnSync("taskset", ["--version"]).status === 0;
  return canPin ? { server, client } : { server: undefined, client: undefined };
}

/** Moves this process to the client's core: what it does there takes nothing from a server. */
export function moveToClient({ client }: Placement): void {
  if (client !== undefined) spawnSync("taskset", ["-acp", `${client}`, `${process.pid}`]);
}

/** Reads `Cpus_allowed_list`, such as `0-3,8` (proc(5)). */
function readAllowedCores(): number[] {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "";
    return list.split(",").flatMap((part) => {
      const [from = 0, to = from] = part.split("-").map(Number);
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
  } catch {
    return []; // Not Linux: there is no taskset either.
  }
}

/** How long a process may take to end by itself. */
const END_GRACE_MS = 3000;
/** Handshakes of ten thousand clients take a while. */
const CONNECT_TIMEOUT_MS = 120_000;

/** The command that runs a script of ours. */
export function nodeWords(script: string): string[] {
  return [process.execPath, "--expose-gc", script];
}

/** Starts a command in a process of its own, pinned to a core; it serves calls as `rpc.ts` does. */
export function spawnChild(
  words: readonly string[],
  core: number | undefined,
  name: string,
): Child {
  const pinned = core === undefined ? words : ["taskset", "-c", `${core}`, ...words];
  const [command = "", ...args] = pinned;
  const child = spawn(command, args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const call = createCaller(
    {
      send: (message) => void child.send(message as object, () => {}), // an end is seen by onClose
      onMessage: (listener) => void child.on("message", listener),
      onClose: (listener) => {
        child.once("error", (error) => listener(error.message));
        child.once("exit", (code, signal) => listener(`exit ${code ?? signal}`));
      },
    },
    name,
  );
  return { pid: child.pid ?? 0, call, end: () => endChild(child, ended) };
}

async function endChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  // A child of ours exits when its parent's channel closes.
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), END_GRACE_MS);
  await ended;
  clearTimeout(timer);
}

/** Starts a subject's process and its server. */
export async function openSubject(
  words: readonly string[],
  options: { name: string; core: number | undefined; start: Readonly<Record<string, unknown>> },
  keep: (child: Child) => void,
): Promise<SubjectHandle> {
  const child = spawnChild(words, options.core, options.name);
  keep(child);
  // Each method's answer has the type that bench/subjects/host.ts gives it.
  const call = child.call as <T>(method: string, args?: unknown, timeoutMs?: number) => Promise<T>;
  const started = await call<{ port: number; about: Record<string, string> }>(
    "start",
    options.start,
  );
  return {
    ...child,
    name: options.name,
    port: started.port,
    about: started.about,
    creditPort: () => call("credit"),
    saturate: (args) => call("saturate", args),
    pace: (args) => call("pace", args, args.durationMs * 10 + 60_000),
    connections: () => call("connections"),
    usage: (args = {}) => call("usage", args),
  };
}

/** Starts a generator's process. */
export function openGenerator(
  script: string,
  core: number | undefined,
  keep: (child: Child) => void,
): GeneratorHandle {
  const child = spawnChild(nodeWords(script), core, "the generator");
  keep(child);
  // Each method's answer has the type that bench/generator/process.ts gives it.
  const call = child.call as <T>(method: string, args?: unknown, timeoutMs?: number) => Promise<T>;
  return {
    ...child,
    connect: (args) => call("connect", args, CONNECT_TIMEOUT_MS + args.timeoutMs),
    watch: (args) => call("watch", args),
    settle: (lastSequence, quietMs) => call("settle", { lastSequence, quietMs }, 120_000),
    echo: (args) => call("echo", args, args.durationMs * 3 + 60_000),
    load: (args) => call("load", args, args.durationMs * 3 + 60_000),
    witness: (args) => call("witness", args),
    stall: (count) => call("stall", { count }),
    resume: (args) => call("resume", args, 120_000),
    drop: () => call("drop"),
    usage: () => call("usage"),
  };
}
